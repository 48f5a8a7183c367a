package io.idempotencykey.checkout;

/** A cart of one shop; carts of two shops may have the same name. */
record CartId(String shop, String name) {}
