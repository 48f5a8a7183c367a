package io.idempotencykey;

import io.idempotencykey.internal.Arguments;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;

/**
 * How many keys of a store wait for somebody.
 *
 * @param at the store's time at which it was so
 * @param waiting how many unfinished keys nobody works on, 0 or more: open ones whose rest is over, and locked ones
 *     whose lease is. Failed keys, which wait for their client only, are not among them
 * @param waitingSince since when the one of them has waited that waits longest; empty if none waits
 * @param quarantined how many keys wait for an operator, 0 or more
 */
public record Backlog(Instant at, long waiting, Optional<Instant> waitingSince, long quarantined) {
    /**
     * How many of them are an operation's.
     *
     * @param operation its name; empty for keys that are used without a declared operation
     * @param waiting how many of its unfinished keys nobody works on, 0 or more
     * @param waitingSince since when the one of them has waited that waits longest; empty if none waits
     * @param quarantined how many of its keys wait for an operator, 0 or more
     * @param quarantinedSince since when the first of them has; empty if there are none
     */
    public record OfOperation(
            String operation,
            long waiting,
            Optional<Instant> waitingSince,
            long quarantined,
            Optional<Instant> quarantinedSince) {}

    /** Refuses a missing part and a negative count. */
    public Backlog {
        Arguments.required(at, "at");
        if (waiting < 0) {
            throw Arguments.refused("waiting", waiting, "0 or more");
        }
        Arguments.required(waitingSince, "waitingSince");
        if (quarantined < 0) {
            throw Arguments.refused("quarantined", quarantined, "0 or more");
        }
    }

    /**
     * How long the key has waited that waits longest.
     *
     * @return zero if none waits
     */
    public Duration longestWait() {
        return waitingSince.map(since -> Duration.between(since, at)).orElse(Duration.ZERO);
    }
}
