package io.idempotencykey.port;

import io.idempotencykey.internal.Arguments;
import java.util.UUID;

/**
 * A random 128-bit token, new at every write of a key: the fence that a compare-and-set compares.
 *
 * @param value all 128 bits are random; it isn't a UUID of any version
 */
public record Revision(UUID value) {
    /** Checks that there is a value. */
    public Revision {
        Arguments.required(value, "value");
    }
}
