package io.idempotencykey.service;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.port.KeyStore;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/** The store's time, read once in a while and carried by the monotonic clock in between. */
final class StoreClock {
    private final KeyStore<?> store;
    private final StoreAccess<?> access;
    private final Environment environment;
    private final Duration holds;
    private final AtomicReference<@Nullable Reading> last = new AtomicReference<>();

    StoreClock(KeyStore<?> store, StoreAccess<?> access, Settings settings) {
        this.store = store;
        this.access = access;
        this.environment = settings.environment();
        this.holds = store.timeHolds();
    }

    /**
     * Rule 10: the store's time, cut to milliseconds. If the store can't be read, an older reading is carried on, since
     * only liveness depends on it; without any, {@link IdempotencyException.StoreUnavailable} is thrown.
     */
    Instant now() {
        if (holds.isZero()) {
            return access.repeatable(null, this::time).truncatedTo(ChronoUnit.MILLIS);
        }
        Reading reading = last.get();
        long nanos = environment.nanoTime();
        if (reading == null) {
            reading = firstReading();
            last.compareAndSet(null, reading);
        } else if (nanos - reading.nanos > holds.toNanos()) {
            // One thread reads anew; the others go on with the old reading, dated so that they don't all follow.
            Reading carried = new Reading(reading.at(nanos), nanos);
            if (last.compareAndSet(reading, carried)) {
                try {
                    reading = read(carried);
                    last.compareAndSet(carried, reading);
                } catch (RuntimeException e) {
                    reading = carried;
                }
            }
        }
        return reading.at(environment.nanoTime()).truncatedTo(ChronoUnit.MILLIS);
    }

    /** The time as {@link #now()} last read it, carried on: asks the store nothing, so a transaction may be open. */
    Instant carried() {
        Reading reading = last.get();
        return reading == null ? now() : reading.at(environment.nanoTime()).truncatedTo(ChronoUnit.MILLIS);
    }

    /** The store's time, which is also wanted to settle what an interrupted thread has left. */
    private Instant time() {
        return Interruption.without(store::time);
    }

    private Reading firstReading() {
        return access.repeatable(null, () -> read(null));
    }

    /**
     * A reading tells the time at some instant of its round trip. A slow one tells it badly, and therefore moves what
     * was carried no further than it contradicts it.
     */
    private Reading read(@Nullable Reading carried) {
        long before = environment.nanoTime();
        Instant earliest = time();
        long after = environment.nanoTime();
        Instant latest = earliest.plusNanos(after - before);
        Instant expected = carried == null ? earliest.plusNanos((after - before) / 2) : carried.at(after);
        if (expected.isBefore(earliest)) {
            expected = earliest;
        } else if (expected.isAfter(latest)) {
            expected = latest;
        }
        return new Reading(expected, after);
    }

    private record Reading(Instant time, long nanos) {
        Instant at(long now) {
            return time.plusNanos(now - nanos);
        }
    }
}
