package io.idempotencykey.architecture.broken.disk;

import org.assertj.core.api.Assertions;

/** A dialect that knows more than JDBC. */
public final class DiskDialect {
    Class<?> more() {
        return Assertions.class;
    }
}
