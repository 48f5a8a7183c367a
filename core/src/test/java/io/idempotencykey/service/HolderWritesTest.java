package io.idempotencykey.service;

import static io.idempotencykey.RecoveryPoint.STARTED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What a holder is told if several things go wrong with one change of its key, one after the other. */
class HolderWritesTest {
    private static final KeyId ID = KeyId.of("key");
    private static final Request REQUEST = Request.of("POST", "/orders", Map.of());
    private static final Response DONE = Response.of(201, "text/plain", "done");
    private static final StoreFailure UNKNOWN = failure(StoreFailure.Kind.UNKNOWN);
    private static final StoreFailure BUSY = failure(StoreFailure.Kind.BUSY);

    private final Queue<RuntimeException> replacing = new ArrayDeque<>();
    private final Queue<StageCommit> committing = new ArrayDeque<>();
    private boolean busy;
    private boolean interrupting;
    private int replacements;
    private boolean timeUnreadable;
    private boolean endsInterrupted;
    private final MapKeyStore store = new MapKeyStore() {
        @Override
        public Instant time() {
            if (timeUnreadable) {
                throw failure(StoreFailure.Kind.UNAVAILABLE);
            }
            return super.time();
        }

        @Override
        public boolean replace(Revision expected, StoredKey next) {
            replacements++;
            if (Thread.currentThread().isInterrupted()) {
                throw failure(StoreFailure.Kind.UNAVAILABLE);
            }
            if (busy) {
                throw BUSY;
            }
            if (!replacing.isEmpty()) {
                if (interrupting) {
                    Thread.currentThread().interrupt();
                }
                throw replacing.remove();
            }
            return super.replace(expected, next);
        }

        @Override
        public StageCommit commitStage(
                StoredKey held, Isolation isolation, Duration lease, Function<List<String>, StoredProgress> work) {
            StageCommit end = committing.poll();
            if (end != null) {
                timeUnreadable = end.kind() == StageCommit.Kind.UNKNOWN;
                return end;
            }
            StageCommit made = super.commitStage(held, isolation, lease, transaction -> {
                StoredProgress next = work.apply(transaction);
                endsInterrupted = Thread.currentThread().isInterrupted();
                if (!committing.isEmpty()) {
                    throw failure(StoreFailure.Kind.TRANSIENT);
                }
                return next;
            });
            return committing.isEmpty() ? made : committing.remove();
        }
    };
    private final IdempotencyKeyService<List<String>> keys = IdempotencyKeyService.builder(store)
            .environment(new Environment() {
                @Override
                public RandomGenerator random() {
                    return RandomGenerator.getDefault();
                }

                @Override
                public long nanoTime() {
                    return 0;
                }

                @Override
                public void pause(Duration duration) throws InterruptedException {
                    if (Thread.interrupted()) {
                        throw new InterruptedException();
                    }
                    store.pass(duration);
                }
            })
            .build();
    private final Operation<List<String>> operation =
            keys.operation("op").respond(STARTED, stage -> DONE).build();

    private static StoreFailure failure(StoreFailure.Kind kind) {
        return new StoreFailure(kind, kind.name(), null);
    }

    private HeldKey held() {
        return ((Claim.Claimed) keys.claim(operation, ID, REQUEST)).key();
    }

    @Test
    void aReleaseThatMeetsAHeldRowIsMadeOnceTheRowIsFree() {
        replacing.addAll(List.of(BUSY, BUSY));
        IllegalStateException thrown = new IllegalStateException("no stock");

        Operation<List<String>> failing = keys.operation("op")
                .staged()
                .respond(STARTED, stage -> {
                    throw thrown;
                })
                .build();

        Throwable told = catchThrowable(() -> keys.run(failing, ID, REQUEST));

        assertThat(told).isSameAs(thrown).hasNoSuppressedExceptions();
        assertThat(store.key(ID).state()).isInstanceOf(KeyState.Failed.class);
    }

    /** What holds the row may be the try whose answer was lost. */
    @ParameterizedTest
    @EnumSource(
            value = StoreFailure.Kind.class,
            names = {"BUSY", "FULL", "UNAVAILABLE", "UNREADABLE", "REFUSED"})
    void aChangeWhoseAnswerWasLostHasAnUnknownOutcomeWhateverItsNextTryMeets(StoreFailure.Kind next) {
        HeldKey held = held();
        replacing.addAll(List.of(UNKNOWN, failure(next)));

        assertThatExceptionOfType(IdempotencyException.OutcomeUnknown.class)
                .isThrownBy(() -> keys.unlock(held))
                .withCause(UNKNOWN);
    }

    @Test
    void aCommitWhoseAnswerWasLostHasAnUnknownOutcomeIfTheTimeCanNotBeReadThen() {
        HeldKey held = held();
        committing.add(StageCommit.unknown(UNKNOWN));

        assertThatExceptionOfType(IdempotencyException.OutcomeUnknown.class)
                .isThrownBy(() -> keys.workStage(operation, held, REQUEST));
    }

    @Test
    void whatKeepsATransactionFromBeginningIsNoAnswer() {
        IllegalStateException thrown = new IllegalStateException("no transaction");
        committing.add(StageCommit.rolledBack(thrown));
        Operation<List<String>> answering = keys.operation("op")
                .staged()
                .respond(STARTED, stage -> DONE)
                .answering(IllegalStateException.class, e -> DONE)
                .build();

        assertThat(catchThrowable(() -> keys.run(answering, ID, REQUEST))).isSameAs(thrown);

        assertThat(store.key(ID).state()).isInstanceOf(KeyState.Failed.class);
    }

    @Test
    void aFailureOfAStoreIsNoAnswer() {
        StoreFailure thrown = failure(StoreFailure.Kind.UNAVAILABLE);
        Operation<List<String>> answering = keys.operation("op")
                .staged()
                .respond(STARTED, stage -> {
                    throw thrown;
                })
                .answering(RuntimeException.class, e -> DONE)
                .build();

        assertThat(catchThrowable(() -> keys.run(answering, ID, REQUEST))).isSameAs(thrown);
    }

    /** Drivers may refuse to work on an interrupted thread. */
    @Test
    void anAnswerIsStoredOnAThreadThatIsNotInterruptedMeanwhile() {
        Operation<List<String>> answering = keys.operation("op")
                .staged()
                .respond(STARTED, stage -> {
                    Thread.currentThread().interrupt();
                    throw new IllegalStateException("gone");
                })
                .answering(IllegalStateException.class, e -> DONE)
                .build();

        assertThat(keys.run(answering, ID, REQUEST).response()).isEqualTo(DONE);

        assertThat(Thread.interrupted()).isTrue();
    }

    private Operation<List<String>> interrupted(IllegalStateException thrown) {
        return keys.operation("op")
                .staged()
                .respond(STARTED, stage -> {
                    Thread.currentThread().interrupt();
                    throw thrown;
                })
                .build();
    }

    @Test
    void aKeyIsGivenBackOnAThreadThatIsNotInterruptedMeanwhile() {
        IllegalStateException thrown = new IllegalStateException("told to stop");

        Throwable told = catchThrowable(() -> keys.run(interrupted(thrown), ID, REQUEST));

        assertThat(Thread.interrupted()).isTrue();
        assertThat(told).isSameAs(thrown).hasNoSuppressedExceptions();
        assertThat(store.key(ID).state()).isInstanceOf(KeyState.Open.class);
    }

    /** The interruption may come in the middle of the release, and again. */
    @ParameterizedTest
    @EnumSource(
            value = StoreFailure.Kind.class,
            names = {"BUSY", "UNKNOWN", "TRANSIENT"})
    void aReleaseThatIsInterruptedIsTriedAgain(StoreFailure.Kind kind) {
        IllegalStateException thrown = new IllegalStateException("told to stop");
        interrupting = true;
        replacing.addAll(List.of(failure(kind), failure(kind)));

        Throwable told = catchThrowable(() -> keys.run(interrupted(thrown), ID, REQUEST));

        assertThat(Thread.interrupted()).isTrue();
        assertThat(told).isSameAs(thrown).hasNoSuppressedExceptions();
        assertThat(store.key(ID).state()).isInstanceOf(KeyState.Open.class);
    }

    @Test
    void aStageIsCommittedOnAThreadThatIsNotInterruptedMeanwhile() {
        Operation<List<String>> interrupting = keys.operation("op")
                .staged()
                .respond(STARTED, stage -> {
                    Thread.currentThread().interrupt();
                    return DONE;
                })
                .build();
        endsInterrupted = true;

        assertThat(keys.run(interrupting, ID, REQUEST).response()).isEqualTo(DONE);

        assertThat(Thread.interrupted()).isTrue();
        assertThat(endsInterrupted).isFalse();
    }

    /** No other try begins on a thread that is told to stop, and yet the key is given back. */
    @Test
    void aStageThatIsInterruptedAndRolledBackIsNotRunAgain() {
        AtomicInteger runs = new AtomicInteger();
        Operation<List<String>> conflicting = keys.operation("op")
                .staged()
                .respond(STARTED, stage -> {
                    runs.incrementAndGet();
                    Thread.currentThread().interrupt();
                    committing.add(StageCommit.transientlyRolledBack(failure(StoreFailure.Kind.TRANSIENT)));
                    return DONE;
                })
                .build();

        assertThatExceptionOfType(IdempotencyException.RetriesExhausted.class)
                .isThrownBy(() -> keys.run(conflicting, ID, REQUEST));

        assertThat(Thread.interrupted()).isTrue();
        assertThat(runs).hasValue(1);
        assertThat(store.key(ID).state()).isInstanceOf(KeyState.Open.class);
    }

    @Test
    void aHolderGivesItsKeyBackOnAnInterruptedThread() {
        HeldKey held = held();
        Thread.currentThread().interrupt();

        keys.unlock(held);

        assertThat(Thread.interrupted()).isTrue();
        assertThat(store.key(ID).state()).isInstanceOf(KeyState.Open.class);
    }

    @Test
    void aReleaseIsNotTriedLongerThanTheLease() {
        Operation<List<String>> failing = keys.operation("op")
                .staged()
                .lease(Duration.ofMillis(1))
                .respond(STARTED, stage -> {
                    store.pass(Duration.ofMillis(1));
                    busy = true;
                    throw new IllegalStateException("no stock");
                })
                .build();

        assertThat(catchThrowable(() -> keys.run(failing, ID, REQUEST))).hasMessage("no stock");

        assertThat(replacements).isEqualTo(1);
    }

    @Test
    void anotherRequestThanTheHeldKeysOwnIsRefusedBeforeItsStageRuns() {
        HeldKey held = held();

        assertThatExceptionOfType(IdempotencyException.Mismatch.class)
                .isThrownBy(() -> keys.workStage(operation, held, Request.of("POST", "/other", Map.of())));

        assertThat(store.key(ID)).isEqualTo(held.key());
        assertThat(keys.workStage(operation, held, REQUEST)).isInstanceOf(StageResult.Finished.class);
    }
}
