package io.idempotencykey.architecture.broken.memory;

import io.idempotencykey.architecture.broken.disk.DiskStore;
import io.idempotencykey.architecture.broken.port.Port;
import io.idempotencykey.architecture.broken.service.Service;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/** An adapter that knows another one, and core's service, and locks by the object's monitor, and asks the clock. */
public final class MemoryStore {
    @Nullable
    DiskStore disk;

    @Nullable
    Port port;

    Instant time() {
        return Instant.now();
    }

    synchronized @Nullable Service service() {
        return null;
    }
}
