package io.idempotencykey.architecture.broken.disk;

/** An adapter. */
public final class DiskStore {}
