package io.idempotencykey.jpa;

import jakarta.persistence.Column;
import jakarta.persistence.Entity;
import jakarta.persistence.Id;
import jakarta.persistence.Table;

/** A row of an application. */
@Entity
@Table(name = "contract_row")
class ContractRow {
    @Id
    @Column(name = "name", length = 200)
    String name = "";

    @Column(name = "content", length = 200)
    String content = "";

    ContractRow() {}

    ContractRow(String name, String content) {
        this.name = name;
        this.content = content;
    }
}
