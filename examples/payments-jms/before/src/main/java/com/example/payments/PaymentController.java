package com.example.payments;

import java.util.List;
import java.util.Map;
import org.springframework.http.HttpStatus;
import org.springframework.jms.core.JmsTemplate;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.ResponseStatus;
import org.springframework.web.bind.annotation.RestController;

@RestController
public class PaymentController {
    private final JmsTemplate jms;
    private final Ledger ledger;

    public PaymentController(JmsTemplate jms, Ledger ledger) {
        this.jms = jms;
        this.ledger = ledger;
    }

    @PostMapping("/payments")
    @ResponseStatus(HttpStatus.ACCEPTED)
    public void pay(@RequestBody Map<String, Object> payment) {
        jms.convertAndSend("payments", payment);
    }

    @GetMapping("/bookings")
    public List<Booking> bookings() {
        return ledger.all();
    }
}
