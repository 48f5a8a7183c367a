package io.idempotencykey.checkout;

/** What one item of a cart costs, in cents. */
record TaxLine(String sku, int quantity, long net, long tax) {}
