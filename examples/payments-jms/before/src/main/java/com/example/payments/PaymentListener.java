package com.example.payments;

import java.util.Map;
import org.springframework.jms.annotation.JmsListener;
import org.springframework.stereotype.Component;

@Component
public record PaymentListener(Ledger ledger) {
    @JmsListener(destination = "payments")
    public void onPayment(Map<String, Object> payment) {
        ledger.book(payment);
    }
}
