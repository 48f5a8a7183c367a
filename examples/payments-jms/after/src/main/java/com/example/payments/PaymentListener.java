package com.example.payments;

import io.idempotencykey.service.IdempotencyKeyService;
import java.util.Map;
import org.springframework.jms.annotation.JmsListener;
import org.springframework.stereotype.Component;

@Component
public record PaymentListener(Ledger ledger, IdempotencyKeyService<?> keys) {
    @JmsListener(destination = "payments")
    public void onPayment(Map<String, Object> payment) {
        keys.receive("book-payment", (String) payment.get("id"), payment, stage -> ledger.book(payment));
    }
}
