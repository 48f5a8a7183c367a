package io.idempotencykey.service;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.KeyId;
import io.idempotencykey.port.KeyStore;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The store's single statements, with transient failures retried and lost answers resolved.
 *
 * <p>A write proposes the same revision in all its tries. So it doesn't matter if one whose answer was lost lands late,
 * and finding the revision means that the write was made.
 */
final class StoreAccess<T> {
    /** What became of a write. */
    enum Write {
        /** It is made. */
        DONE,
        /** Another key, or another revision, stands in its way. */
        LOST,
        /** A transaction holds the row. */
        BUSY
    }

    private final KeyStore<T> store;
    private final Settings settings;
    private final boolean settles;

    StoreAccess(KeyStore<T> store, Settings settings) {
        this(store, settings, false);
    }

    private StoreAccess(KeyStore<T> store, Settings settings, boolean settles) {
        this.store = store;
        this.settings = settings;
        this.settles = settles;
    }

    /**
     * The same calls, as they settle what a stage or a holder has left: an interrupted thread makes them like any other
     * one, and is interrupted again when they have ended.
     */
    StoreAccess<T> settling() {
        return new StoreAccess<>(store, settings, true);
    }

    private <R> R inTries(Function<Tries, R> calls) {
        return settles
                ? Interruption.without(interruption -> calls.apply(new Tries(settings, interruption)))
                : calls.apply(new Tries(settings));
    }

    /**
     * Finds a key, or throws {@link IdempotencyException.StoreUnavailable}, or {@link
     * IdempotencyException.UnreadableKey}.
     */
    Optional<StoredKey> find(KeyId id) {
        return repeatable(id, () -> store.find(id));
    }

    /** Makes a call that may be repeated at will, or throws {@link IdempotencyException.StoreUnavailable}. */
    <R> R repeatable(@Nullable KeyId id, Supplier<R> call) {
        return inTries(tries -> repeatable(id, call, tries));
    }

    private static <R> R repeatable(@Nullable KeyId id, Supplier<R> call, Tries tries) {
        while (true) {
            try {
                return call.get();
            } catch (RuntimeException e) {
                if (StoreFailure.kindOf(e) == StoreFailure.Kind.REFUSED) {
                    throw refused(e);
                }
                if (id != null && StoreFailure.kindOf(e) == StoreFailure.Kind.UNREADABLE) {
                    throw new IdempotencyException.UnreadableKey(id, e);
                }
                if (StoreFailure.kindOf(e) == StoreFailure.Kind.UNAVAILABLE || !tries.another()) {
                    throw new IdempotencyException.StoreUnavailable(id, e);
                }
            }
        }
    }

    Write insert(StoredKey key) {
        return write(key, () -> store.insert(key));
    }

    /** Rule 1: a key is changed where it still has the revision that the writer knows, and nowhere else. */
    Write replace(Revision expected, StoredKey next) {
        return write(next, () -> store.replace(expected, next));
    }

    private Write write(StoredKey next, BooleanSupplier statement) {
        return inTries(tries -> write(next, statement, tries));
    }

    private Write write(StoredKey next, BooleanSupplier statement, Tries tries) {
        boolean unresolved = false;
        while (true) {
            try {
                if (statement.getAsBoolean()) {
                    return Write.DONE;
                }
                return unresolved && isStored(next) ? Write.DONE : Write.LOST;
            } catch (IdempotencyException e) {
                throw e;
            } catch (RuntimeException e) {
                StoreFailure.Kind kind = StoreFailure.kindOf(e);
                switch (kind) {
                    case BUSY -> {
                        if (isStored(next)) {
                            return Write.DONE;
                        }
                        if (unresolved) {
                            // What holds the row may be an earlier try, which may still commit.
                            throw failure(next.id(), true, e);
                        }
                        return Write.BUSY;
                    }
                    case FULL ->
                        throw unresolved
                                ? failure(next.id(), true, e)
                                : new IdempotencyException.StoreFull(next.id(), e);
                    case UNAVAILABLE -> throw failure(next.id(), unresolved, e);
                    case UNREADABLE ->
                        throw unresolved
                                ? failure(next.id(), true, e)
                                : new IdempotencyException.UnreadableKey(next.id(), e);
                    case REFUSED -> throw refused(e);
                    case UNKNOWN, TRANSIENT -> unresolved |= kind == StoreFailure.Kind.UNKNOWN;
                }
                if (!tries.another()) {
                    throw failure(next.id(), unresolved, e);
                }
            }
        }
    }

    private boolean isStored(StoredKey next) {
        try {
            return find(next.id())
                    .filter(stored -> stored.revision().equals(next.revision()))
                    .isPresent();
        } catch (IdempotencyException.StoreUnavailable e) {
            throw new IdempotencyException.OutcomeUnknown(next.id(), e);
        }
    }

    /** The application's mistake, which no try mends and no client caused. */
    private static IllegalStateException refused(RuntimeException cause) {
        return new IllegalStateException(cause.getMessage(), cause);
    }

    private static IdempotencyException failure(KeyId id, boolean unresolved, RuntimeException cause) {
        return unresolved
                ? new IdempotencyException.OutcomeUnknown(id, cause)
                : new IdempotencyException.StoreUnavailable(id, cause);
    }
}
