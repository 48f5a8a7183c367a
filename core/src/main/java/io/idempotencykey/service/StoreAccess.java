package io.idempotencykey.service;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.KeyId;
import io.idempotencykey.port.KeyStore;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
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

    /**
     * Inserts a key, or finds the one that is there; empty if that is gone by now. A loser may have been first, if an
     * answer was lost and another worker has gone on since. Throws {@link IdempotencyException.Locked} if a transaction
     * holds a key that isn't there yet.
     */
    Optional<StoredKey> insertOrFind(StoredKey key) {
        AtomicReference<@Nullable StoredKey> found = new AtomicReference<>();
        Write write = write(
                key,
                () -> {
                    Optional<StoredKey> stored = store.insertOrFind(key);
                    found.set(stored.orElse(null));
                    return stored.filter(each -> isOfOneWrite(each, key)).isPresent();
                },
                true);
        return switch (write) {
            case DONE -> Optional.of(key);
            case LOST -> Optional.ofNullable(found.get());
            case BUSY -> Optional.of(find(key.id()).orElseThrow(() -> Engine.busy(key.id())));
        };
    }

    /** Replaces a key whoever comes first; a loser, who may have been first as well, reads the key again. */
    Write take(Revision expected, StoredKey next) {
        return write(next, () -> store.replace(expected, next), true);
    }

    /**
     * Rule 1: a key is changed where it still has the revision that the writer knows, and nowhere else. Whoever loses
     * has changed nothing: if an answer was lost, and another worker may have gone on from that change, this throws
     * {@link IdempotencyException.OutcomeUnknown}.
     */
    Write replace(Revision expected, StoredKey next) {
        return write(next, () -> store.replace(expected, next), false);
    }

    private Write write(StoredKey next, BooleanSupplier statement, boolean isRace) {
        return inTries(tries -> write(next, statement, isRace, tries));
    }

    private Write write(StoredKey next, BooleanSupplier statement, boolean isRace, Tries tries) {
        RuntimeException lost = null;
        while (true) {
            try {
                if (statement.getAsBoolean()) {
                    return Write.DONE;
                }
            } catch (RuntimeException e) {
                StoreFailure.Kind kind = StoreFailure.kindOf(e);
                if (kind == StoreFailure.Kind.BUSY && isStored(next, e)) {
                    return Write.DONE;
                }
                if (kind == StoreFailure.Kind.UNKNOWN && lost == null) {
                    lost = e;
                }
                boolean mayPass = kind == StoreFailure.Kind.UNKNOWN || kind == StoreFailure.Kind.TRANSIENT;
                if (mayPass && tries.another()) {
                    continue;
                }
                if (lost != null) {
                    // What stands in the way may be an earlier try, which may still be made.
                    throw StageRun.outcomeUnknown(next.id(), lost, e);
                }
                return refused(kind, next.id(), e);
            }
            if (lost == null) {
                return Write.LOST;
            }
            if (isStored(next, lost)) {
                return Write.DONE;
            }
            if (isRace) {
                return Write.LOST;
            }
            throw StageRun.outcomeUnknown(next.id(), lost, lost);
        }
    }

    /** What a failure means for a write that it kept from being made, for certain. */
    private static Write refused(StoreFailure.Kind kind, KeyId id, RuntimeException failure) {
        if (kind == StoreFailure.Kind.BUSY) {
            return Write.BUSY;
        }
        throw toldOf(kind, id, failure);
    }

    /** What a caller is told of a failure of the store. */
    static RuntimeException toldOf(StoreFailure.Kind kind, KeyId id, RuntimeException failure) {
        return switch (kind) {
            case FULL -> new IdempotencyException.StoreFull(id, failure);
            case UNREADABLE -> new IdempotencyException.UnreadableKey(id, failure);
            case REFUSED -> refused(failure);
            case UNAVAILABLE, TRANSIENT, UNKNOWN, BUSY -> new IdempotencyException.StoreUnavailable(id, failure);
        };
    }

    /** Says whether a write is made whose failure doesn't say so. */
    private boolean isStored(StoredKey next, RuntimeException failure) {
        try {
            return find(next.id()).filter(stored -> isOfOneWrite(stored, next)).isPresent();
        } catch (RuntimeException e) {
            throw StageRun.outcomeUnknown(next.id(), failure, e);
        }
    }

    private static boolean isOfOneWrite(StoredKey stored, StoredKey written) {
        return stored.revision().equals(written.revision());
    }

    /** The application's mistake, which no try mends and no client caused. */
    private static IllegalStateException refused(RuntimeException cause) {
        return new IllegalStateException(cause.getMessage(), cause);
    }
}
