package io.idempotencykey.checkout;

/** What a customer of a shop thinks of an article: one to five stars and a text. */
public record Review(String id, String shop, String sku, long stars, String text) {}
