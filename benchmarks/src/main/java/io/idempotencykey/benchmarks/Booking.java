package io.idempotencykey.benchmarks;

import jakarta.persistence.Column;
import jakarta.persistence.Entity;
import jakarta.persistence.Id;
import jakarta.persistence.Table;

/** A row of the application's, which a stage writes. */
@Entity
@Table(name = "booking")
class Booking {
    @Id
    @Column(name = "id", length = 100)
    String id = "";

    @Column(name = "content", length = 200, nullable = false)
    String content = "";

    /** For the persistence provider. */
    Booking() {}

    Booking(String id, String content) {
        this.id = id;
        this.content = content;
    }
}
