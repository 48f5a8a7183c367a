package io.idempotencykey.checkout;

/** An order, which each request places exactly once; {@code total} is in cents. */
public record Order(String id, CartId cart, String email, long total, String payment) {}
