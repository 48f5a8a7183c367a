package io.idempotencykey.architecture.broken.port;

import io.idempotencykey.architecture.broken.memory.MemoryStore;

/** Core that knows an adapter. */
public interface Port {
    MemoryStore store();
}
