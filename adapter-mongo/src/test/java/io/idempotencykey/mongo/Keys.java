package io.idempotencykey.mongo;

import io.idempotencykey.Fingerprint;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyCreation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyProgress;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import java.time.Duration;
import java.time.Instant;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;

/** Keys in each state, names for results, and threads that end. */
final class Keys {
    static final Duration LEASE = Duration.ofSeconds(30);
    static final Instant AT = Instant.parse("2039-12-31T23:59:59.001Z");
    static final Request REQUEST = Request.of("POST", "/carts/42/complete", Map.of("email", "a@example.org"));
    static final Response RESPONSE = Response.of(201, "text/plain", "done");
    static final KeyState OPEN = new KeyState.Open(RecoveryPoint.STARTED, AT);
    static final KeyState LOCKED = new KeyState.Locked(RecoveryPoint.STARTED, AT, AT.plus(LEASE));
    static final KeyState FINISHED = new KeyState.Finished(RESPONSE, AT, AT.plusSeconds(60));
    static final KeyState QUARANTINED = new KeyState.Quarantined(RecoveryPoint.STARTED, AT, "a reason");

    private static final long LONGEST_WAIT_SECONDS = 60;
    private static final int MOST_TRIES = 20;

    private Keys() {}

    static StoredKey key(KeyState state) {
        return key(state, REQUEST, 1);
    }

    static StoredKey key(KeyState state, Request request, long attempts) {
        return new StoredKey(
                new IdempotencyKey(
                        new KeyCreation(
                                new KeyId("scope", UUID.randomUUID().toString()),
                                UUID.randomUUID(),
                                "complete-cart",
                                request,
                                Fingerprint.of("complete-cart", request),
                                AT),
                        new KeyProgress(state, attempts, 0, "", AT)),
                new Revision(UUID.randomUUID()));
    }

    /** The same key in another state and with another revision. */
    static StoredKey next(StoredKey stored, KeyState state) {
        IdempotencyKey key = stored.key();
        return new StoredKey(
                new IdempotencyKey(
                        new KeyCreation(
                                key.id(),
                                key.creationId(),
                                key.operation(),
                                key.request(),
                                key.fingerprint(),
                                key.createdAt()),
                        new KeyProgress(
                                state, key.attempts() + 1, key.failedAttempts(), key.lastError(), key.updatedAt())),
                new Revision(UUID.randomUUID()));
    }

    static String nameOf(StageCommit end) {
        return end.kind().name().toLowerCase(Locale.ROOT).replace('_', ' ');
    }

    static Throwable causeOf(StageCommit end) {
        return Objects.requireNonNull(end.cause(), "the end's cause");
    }

    static StoreFailure.Kind kindOf(Runnable work) {
        try {
            work.run();
        } catch (StoreFailure e) {
            return e.kind();
        }
        throw new AssertionError("nothing failed");
    }

    /**
     * Repeats a scenario in which a busy machine may answer so late that it is another one.
     *
     * @param scenario tells whether the answers came in time
     */
    static void untilAnsweredInTime(BooleanSupplier scenario) {
        for (int i = 0; i < MOST_TRIES; i++) {
            if (scenario.getAsBoolean()) {
                return;
            }
        }
        throw new AssertionError("answered late each of " + MOST_TRIES + " times");
    }

    static <R> Future<R> elsewhere(Supplier<R> work) {
        CompletableFuture<R> end = new CompletableFuture<>();
        Thread thread = new Thread(() -> {
            try {
                end.complete(work.get());
            } catch (Throwable e) {
                end.completeExceptionally(e);
            }
        });
        thread.setDaemon(true);
        thread.start();
        return end;
    }

    static <R> R get(Future<R> future) {
        try {
            return future.get(LONGEST_WAIT_SECONDS, TimeUnit.SECONDS);
        } catch (ExecutionException e) {
            throw e.getCause() instanceof RuntimeException known ? known : new IllegalStateException(e);
        } catch (InterruptedException | TimeoutException e) {
            throw new AssertionError("a thread of the test didn't end", e);
        }
    }

    static void await(CountDownLatch latch) {
        try {
            if (!latch.await(LONGEST_WAIT_SECONDS, TimeUnit.SECONDS)) {
                throw new AssertionError("the test's latch never opened");
            }
        } catch (InterruptedException e) {
            throw new AssertionError("the test was interrupted", e);
        }
    }
}
