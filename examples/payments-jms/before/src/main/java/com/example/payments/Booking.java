package com.example.payments;

import jakarta.persistence.Entity;
import jakarta.persistence.GeneratedValue;
import jakarta.persistence.Id;

@Entity
public class Booking {
    @Id
    @GeneratedValue
    private Long id;

    private String account;
    private int amount;

    protected Booking() {}

    public Booking(String account, int amount) {
        this.account = account;
        this.amount = amount;
    }

    public Long getId() {
        return id;
    }

    public String getAccount() {
        return account;
    }

    public int getAmount() {
        return amount;
    }
}
