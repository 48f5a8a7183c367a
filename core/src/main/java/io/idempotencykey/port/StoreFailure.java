package io.idempotencykey.port;

import io.idempotencykey.internal.Arguments;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A store's failure, translated by the adapter into what it means for the write at hand; core decides what to do.
 *
 * <p>An adapter keeps the driver's error as the cause. Any other exception out of a {@link KeyStore} counts as
 * {@link Kind#UNKNOWN}, which is always safe.
 */
public final class StoreFailure extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** How many throwables of a {@link #chain} are looked at. */
    public static final int LONGEST_CHAIN = 1_000;

    /** What a failure means. */
    public enum Kind {
        /**
         * Nothing was changed for certain, and trying again at once may well work: a serialization failure, a deadlock.
         */
        TRANSIENT,
        /** The change was made as a whole or not at all, now or a little later: a connection lost before the answer. */
        UNKNOWN,
        /** The row was held by a transaction for longer than a second; the change may still be made a little later. */
        BUSY,
        /** Nothing was changed for certain: the store has no room for another key. */
        FULL,
        /** Nothing was changed for certain, and trying again at once won't help: no connection, no table. */
        UNAVAILABLE,
        /**
         * Nothing was changed for certain: what is stored of the key can't be read, because a newer version of the
         * library or another program wrote it. No try mends that.
         */
        UNREADABLE,
        /**
         * Nothing was changed for certain: the application may not call the store here, such as within a transaction of
         * its own. Core throws it on as an {@link IllegalStateException} with this message.
         */
        REFUSED
    }

    /** What the failure means. */
    private final Kind kind;

    /**
     * Made by adapters.
     *
     * @param kind what the failure means
     * @param message for a person to read; without the key's value, parameters or body
     * @param cause the driver's error, if there is one
     */
    public StoreFailure(Kind kind, String message, @Nullable Throwable cause) {
        super(Arguments.required(message, "message"), cause);
        this.kind = Arguments.required(kind, "kind");
    }

    /**
     * What the failure means.
     *
     * @return the kind
     */
    public Kind kind() {
        return kind;
    }

    /**
     * What a throwable carries: itself, its causes, and whatever was suppressed on the way, each once.
     *
     * <p>What a driver's error means is to be looked for in all of them, since wrappers say little. Ends whatever an
     * application's exceptions do: where causes go in a circle or never end, after {@link #LONGEST_CHAIN}; a cause that
     * can't be had, since its getter throws, is none.
     *
     * @param thrown what was thrown
     * @return it first, and the nearest ones before those farther away
     */
    public static List<Throwable> chain(Throwable thrown) {
        Set<Throwable> seen = Collections.newSetFromMap(new IdentityHashMap<>());
        List<Throwable> chain = new ArrayList<>();
        Deque<Throwable> open = new ArrayDeque<>(List.of(Arguments.required(thrown, "thrown")));
        while (!open.isEmpty() && chain.size() < LONGEST_CHAIN) {
            Throwable next = open.remove();
            if (seen.add(next)) {
                chain.add(next);
                Throwable cause = causeOf(next);
                if (cause != null) {
                    open.add(cause);
                }
                Collections.addAll(open, next.getSuppressed());
            }
        }
        return chain;
    }

    private static @Nullable Throwable causeOf(Throwable thrown) {
        try {
            return thrown.getCause();
        } catch (Throwable e) {
            return null;
        }
    }

    /**
     * What any exception out of a store means.
     *
     * @param failure what was thrown
     * @return its kind if it is a {@link StoreFailure}, else {@link Kind#UNKNOWN}
     */
    public static Kind kindOf(RuntimeException failure) {
        return Arguments.required(failure, "failure") instanceof StoreFailure known ? known.kind : Kind.UNKNOWN;
    }
}
