package io.idempotencykey.port;

import io.idempotencykey.internal.Arguments;
import java.util.function.Function;
import java.util.function.Supplier;

/** What became of a stage's transaction. */
public sealed interface StageCommit permits Committed, FencedOff, RolledBack, TransientlyRolledBack, Unknown {
    /**
     * The transaction is committed: the stage's writes and the key's change are durable, together.
     *
     * @return the result
     */
    static StageCommit committed() {
        return Committed.INSTANCE;
    }

    /**
     * The compare-and-set matched nothing, and everything is rolled back.
     *
     * @return the result
     */
    static StageCommit fencedOff() {
        return FencedOff.INSTANCE;
    }

    /**
     * The work threw, and everything is rolled back; running it again would not help.
     *
     * @param cause what the work threw, as it is
     * @return the result
     */
    static StageCommit rolledBack(Throwable cause) {
        return new RolledBack(Arguments.required(cause, "cause"));
    }

    /**
     * The store rolled everything back for certain, for a reason that may be gone when the work is run again: a
     * serialization failure, a deadlock, a connection lost before the commit was sent, a transaction that was doomed at
     * the fence.
     *
     * @param cause the store's error
     * @return the result
     */
    static StageCommit transientlyRolledBack(Throwable cause) {
        return new TransientlyRolledBack(Arguments.required(cause, "cause"));
    }

    /**
     * The commit was sent and its answer was lost: everything is committed, or nothing is, now or a little later.
     *
     * @param cause the store's error
     * @return the result
     */
    static StageCommit unknown(Throwable cause) {
        return new Unknown(Arguments.required(cause, "cause"));
    }

    /**
     * Applies the function for the result at hand; there is one per result and no other case.
     *
     * @param <R> the functions' result
     * @param committed applied to {@link #committed()}
     * @param fencedOff applied to {@link #fencedOff()}
     * @param rolledBack applied to the cause of {@link #rolledBack}
     * @param transientlyRolledBack applied to the cause of {@link #transientlyRolledBack}
     * @param unknown applied to the cause of {@link #unknown}
     * @return what the function returned
     */
    <R> R match(
            Supplier<? extends R> committed,
            Supplier<? extends R> fencedOff,
            Function<? super Throwable, ? extends R> rolledBack,
            Function<? super Throwable, ? extends R> transientlyRolledBack,
            Function<? super Throwable, ? extends R> unknown);
}
