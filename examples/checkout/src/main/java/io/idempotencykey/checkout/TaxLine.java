package io.idempotencykey.checkout;

import jakarta.persistence.Embeddable;

/** What one item of a cart costs, in cents. */
@Embeddable
record TaxLine(String sku, int quantity, long net, long tax) {}
