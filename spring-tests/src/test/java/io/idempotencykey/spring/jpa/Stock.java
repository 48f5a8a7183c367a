package io.idempotencykey.spring.jpa;

import jakarta.persistence.Entity;
import jakarta.persistence.Id;
import jakarta.persistence.Version;

/** A row that transactions conflict about. */
@Entity
public class Stock {
    static final String TABLE = "create table stock (id bigint primary key, amount int, version int);"
            + " insert into stock values (1, 0, 0)";
    static final String CHANGE = "update stock set amount = amount + 1, version = version + 1";

    @Id
    Long id;

    int amount;

    @Version
    int version;
}
