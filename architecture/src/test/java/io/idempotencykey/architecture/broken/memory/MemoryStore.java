package io.idempotencykey.architecture.broken.memory;

import io.idempotencykey.architecture.broken.disk.DiskStore;
import io.idempotencykey.architecture.broken.port.Port;
import io.idempotencykey.architecture.broken.service.Service;
import org.jspecify.annotations.Nullable;

/** An adapter that knows another one, and core's service, and locks by the object's monitor. */
public final class MemoryStore {
    @Nullable
    DiskStore disk;

    @Nullable
    Port port;

    synchronized @Nullable Service service() {
        return null;
    }
}
