package io.idempotencykey.checkout;

import jakarta.persistence.Embeddable;

/** The price of one item of a cart and its tax, in cents. */
@Embeddable
public record TaxLine(String sku, int quantity, long net, long tax) {}
