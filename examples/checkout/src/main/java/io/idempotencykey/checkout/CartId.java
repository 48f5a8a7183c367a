package io.idempotencykey.checkout;

import jakarta.persistence.Column;
import jakarta.persistence.Embeddable;

/** A cart of one shop; carts of two shops may have the same name. */
@Embeddable
public record CartId(
        @Column(name = "shop") String shop,
        @Column(name = "cart") String name) {}
