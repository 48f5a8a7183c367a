package io.idempotencykey.service;

import io.idempotencykey.Isolation;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.internal.Arguments;
import java.time.Duration;
import java.util.LinkedHashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** A setting of one stage that differs from its operation's. */
public final class StageOption {
    final @Nullable Duration lease;
    final @Nullable Isolation isolation;
    final @Nullable Set<RecoveryPoint> targets;

    private StageOption(@Nullable Duration lease, @Nullable Isolation isolation, @Nullable Set<RecoveryPoint> targets) {
        this.lease = lease;
        this.isolation = isolation;
        this.targets = targets;
    }

    /**
     * How long the lock holds while this stage runs; default: the operation's lease.
     *
     * @param lease 1 millisecond to 24 hours
     * @return the option
     * @throws IllegalArgumentException if it is out of bounds
     */
    public static StageOption lease(Duration lease) {
        return new StageOption(Transitions.lease(lease), null, null);
    }

    /**
     * The isolation of this stage's transaction; default: the operation's.
     *
     * @param isolation one that the store has
     * @return the option
     */
    public static StageOption isolation(Isolation isolation) {
        return new StageOption(null, Arguments.required(isolation, "isolation"), null);
    }

    /**
     * The recovery points that this stage may advance to; default: that of the stage declared next.
     *
     * <p>A stage may always respond instead. A stage that only ever responds names no point.
     *
     * @param recoveryPoints of declared stages, and so that no way leads in a circle
     * @return the option
     */
    public static StageOption advancesTo(RecoveryPoint... recoveryPoints) {
        return new StageOption(null, null, new LinkedHashSet<>(Arguments.listed(recoveryPoints, "recoveryPoints")));
    }
}
