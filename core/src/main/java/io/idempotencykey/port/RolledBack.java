package io.idempotencykey.port;

import io.idempotencykey.internal.Arguments;
import java.util.function.Function;
import java.util.function.Supplier;

record RolledBack(Throwable cause) implements StageCommit {
    @Override
    public <R> R match(
            Supplier<? extends R> committed,
            Supplier<? extends R> fencedOff,
            Function<? super Throwable, ? extends R> rolledBack,
            Function<? super Throwable, ? extends R> transientlyRolledBack,
            Function<? super Throwable, ? extends R> unknown) {
        return Arguments.required(rolledBack, "rolledBack").apply(cause);
    }
}
