package com.example.payments;

import java.util.List;
import java.util.Map;
import org.springframework.stereotype.Service;
import org.springframework.transaction.annotation.Transactional;

@Service
public class Ledger {
    private final BookingRepository bookings;

    public Ledger(BookingRepository bookings) {
        this.bookings = bookings;
    }

    @Transactional
    public void book(Map<String, Object> payment) {
        bookings.save(new Booking((String) payment.get("account"), (int) payment.get("amount")));
    }

    @Transactional(readOnly = true)
    public List<Booking> all() {
        return bookings.findAll();
    }
}
