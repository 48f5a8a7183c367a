package io.idempotencykey.checkout;

/** An order: what the whole exercise must make exactly once per request; {@code total} is in cents. */
record Order(String id, CartId cart, String email, long total, String payment) {}
