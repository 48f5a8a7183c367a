package io.idempotencykey.service;

import io.idempotencykey.Isolation;
import io.idempotencykey.RecoveryPoint;
import java.time.Duration;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * A stage as an operation's builder was told of it, before all of them are known.
 *
 * @param preparation made from the point that the stage goes on to, if it does
 */
record StageDeclaration<T>(
        End end,
        boolean callsOutside,
        Function<RecoveryPoint, StageDefinition.Preparation<T>> preparation,
        List<StageOption> options) {

    /** How a declared stage ends. */
    enum End {
        /** At the one point that it leads to. */
        ADVANCES,
        /** With a response. */
        RESPONDS,
        /** As it says itself. */
        CHOOSES
    }

    /** The stage, with what its operation and the point declared next say where it has no option of its own. */
    StageDefinition<T> define(
            String operation,
            RecoveryPoint at,
            Set<RecoveryPoint> next,
            @Nullable Duration operationLease,
            @Nullable Isolation operationIsolation) {
        Duration lease = operationLease;
        Isolation isolation = operationIsolation;
        Set<RecoveryPoint> targets = end == End.RESPONDS ? Set.of() : next;
        Set<RecoveryPoint> named = new LinkedHashSet<>();
        for (StageOption option : options) {
            lease = option.lease != null ? option.lease : lease;
            isolation = option.isolation != null ? option.isolation : isolation;
            if (option.targets != null) {
                named.addAll(option.targets);
                targets = named;
            }
        }
        boolean legal = switch (end) {
            case ADVANCES -> targets.size() == 1;
            case RESPONDS -> targets.isEmpty();
            case CHOOSES -> true;
        };
        if (!legal) {
            throw StageGraph.illegal(
                    operation,
                    end == End.ADVANCES
                            ? "has a stage at '" + at + "' that goes on, but to " + targets
                                    + " instead of one point; end with respond, or use branch to choose"
                            : "has a stage at '" + at + "' that responds, and can't advance to " + targets
                                    + "; use branch to choose");
        }
        RecoveryPoint to = targets.isEmpty() ? at : targets.iterator().next();
        return new StageDefinition<>(preparation.apply(to), callsOutside, lease, isolation, targets);
    }
}
