package io.idempotencykey.architecture.broken.service;

/** What decides. */
public final class Service {}
