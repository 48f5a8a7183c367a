package io.idempotencykey.service;

import static io.idempotencykey.RecoveryPoint.STARTED;
import static io.idempotencykey.service.Carts.NAME;
import static io.idempotencykey.service.Carts.completer;
import static io.idempotencykey.service.World.REQUEST;
import static io.idempotencykey.service.World.RESPONSE;
import static io.idempotencykey.service.World.TAXED;
import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Exceptions of an application that do harm when they are looked at: it gets them as they are, and its key back. */
@SuppressWarnings("UnsynchronizedOverridesSynchronized") // as applications write it
class MisbehavingExceptionTest {
    /** Says nothing of itself. */
    private static final class Unspeakable extends RuntimeException {
        private static final long serialVersionUID = 1L;

        @Override
        public String getMessage() {
            throw new IllegalStateException("no message");
        }

        @Override
        public String toString() {
            throw new StackOverflowError("no text");
        }

        @Override
        public Throwable getCause() {
            throw new AssertionError("no cause");
        }

        @Override
        public int hashCode() {
            throw new IllegalStateException("no hash");
        }

        @Override
        public boolean equals(Object other) {
            throw new IllegalStateException("not to be compared");
        }
    }

    /** Has another cause each time that it is asked. */
    private static final class Endless extends Exception {
        private static final long serialVersionUID = 1L;

        @Override
        public Throwable getCause() {
            return new Endless();
        }
    }

    private static final class Linkage extends Error {
        private static final long serialVersionUID = 1L;
    }

    static Stream<Named<Throwable>> thrown() {
        return Stream.of(
                Named.of("an exception of which nothing can be had", new Unspeakable()),
                Named.of("an exception with an endless chain of causes", new Endless()),
                Named.of("an error", new Linkage()),
                Named.of("an error of the stack", new StackOverflowError()));
    }

    private final List<KeyEvent> events = new ArrayList<>();
    private final List<Throwable> ended = new ArrayList<>();
    private final World world = new World();

    /** Looks for its driver's errors in what a stage throws, as all stores do, while the transaction is open. */
    private final MapKeyStore store = new MapKeyStore() {
        @Override
        public StageCommit commitStage(
                StoredKey held, Isolation isolation, Duration lease, Function<List<String>, StoredProgress> work) {
            return looked(super.commitStage(held, isolation, lease, work));
        }

        @Override
        public StageCommit commitSingle(
                StoredKey taken, Isolation isolation, Duration lease, SingleStage<List<String>> stage) {
            return looked(super.commitSingle(taken, isolation, lease, stage));
        }
    };

    private static StageCommit looked(StageCommit end) {
        Throwable cause = end.cause();
        return cause != null && StoreFailure.chain(cause).stream().anyMatch(StoreFailure.class::isInstance)
                ? StageCommit.transientlyRolledBack(cause)
                : end;
    }

    private final IdempotencyKeyService<List<String>> service = world.builder(store)
            .listener(new KeyListener() {
                @Override
                public void onEvent(KeyEvent event) {
                    events.add(event);
                }

                @Override
                public StageObservation stageBegins(IdempotencyKey key) {
                    return failure -> ended.add(Objects.requireNonNull(failure));
                }
            })
            .build();

    private void assertReachesTheCaller(Throwable thrown, Operation<List<String>> operation) {
        Throwable told = null;
        try {
            service.run(operation, world.id, REQUEST);
        } catch (Throwable e) {
            told = e;
        }
        // Not with a comparison that would ask it for its text.
        assertThat(told == thrown).isTrue();
        assertThat(ended.size() == 1 && ended.get(0) == thrown).isTrue();
        assertThat(causes(KeyEvent.StageRolledBack.class, KeyEvent.StageRolledBack::cause))
                .hasSize(1)
                .allMatch(cause -> cause == thrown);
        assertThat(causes(KeyEvent.NotAnswered.class, KeyEvent.NotAnswered::cause))
                .hasSize(1)
                .allMatch(cause -> cause == thrown);
    }

    private <E extends KeyEvent> List<Throwable> causes(Class<E> kind, Function<E, Throwable> cause) {
        return events.stream()
                .filter(kind::isInstance)
                .map(kind::cast)
                .map(cause)
                .toList();
    }

    @ParameterizedTest
    @MethodSource("thrown")
    void aStagesExceptionReachesTheCallerAndTheKeyIsReleased(Throwable thrown) {
        assertReachesTheCaller(
                thrown,
                service.operation(NAME)
                        .staged()
                        .respond(STARTED, stage -> {
                            throw World.<RuntimeException>asItIs(thrown);
                        })
                        .build());

        assertThat(store.key(world.id).state()).isInstanceOf(KeyState.Failed.class);
        assertThat(store.key(world.id).lastError())
                .startsWith(thrown.getClass().getName())
                .doesNotEndWith(": ");
    }

    @ParameterizedTest
    @MethodSource("thrown")
    void anOutsideCallsExceptionReachesTheCallerAndTheKeyIsReleased(Throwable thrown) {
        assertReachesTheCaller(
                thrown,
                service.operation(NAME)
                        .respond(
                                STARTED,
                                key -> {
                                    throw World.<RuntimeException>asItIs(thrown);
                                },
                                (stage, called) -> RESPONSE)
                        .build());

        assertThat(store.key(world.id).state()).isInstanceOf(KeyState.Open.class);
    }

    @ParameterizedTest
    @MethodSource("thrown")
    void aSingleStagesExceptionReachesTheCallerAndNothingIsKept(Throwable thrown) {
        assertReachesTheCaller(
                thrown,
                service.operation(NAME)
                        .respond(STARTED, stage -> {
                            throw World.<RuntimeException>asItIs(thrown);
                        })
                        .build());

        assertThat(store.keys).isEmpty();
    }

    /** Whether it is an answer is asked of the application, too. */
    @ParameterizedTest
    @MethodSource("thrown")
    void whatAnAnswerToAnExceptionThrowsReachesTheCallerAndTheKeyIsReleased(Throwable thrown) {
        assertReachesTheCaller(
                thrown,
                service.operation(NAME)
                        .staged()
                        .respond(STARTED, stage -> {
                            throw new IllegalStateException("no stock");
                        })
                        .answering(IllegalStateException.class, e -> {
                            throw World.<RuntimeException>asItIs(thrown);
                        })
                        .build());

        assertThat(store.key(world.id).state()).isInstanceOf(KeyState.Failed.class);
    }

    @ParameterizedTest
    @MethodSource("thrown")
    void theCompleterGoesOnWithTheNextRequest(Throwable thrown) {
        Operation<List<String>> operation = service.operation(NAME)
                .branch(STARTED, stage -> World.respond())
                .branch(TAXED, stage -> {
                    if (stage.key().id().equals(world.id)) {
                        throw World.<RuntimeException>asItIs(thrown);
                    }
                    return World.respond();
                })
                .build();
        for (KeyId id : List.of(world.id, world.id("next"))) {
            HeldKey held = World.claimed(service.claim(operation, id, REQUEST));
            service.unlock(World.held(service.update(held, StageOutcome.advanceTo(TAXED))));
        }
        store.pass(Carts.THRESHOLD.plusMillis(1));

        assertThat(completer(service, operation).runOnce()).isEqualTo(1);

        assertThat(store.key(world.id).state()).isInstanceOf(KeyState.Open.class);
        assertThat(store.key(world.id).failedAttempts()).isEqualTo(1);
        assertThat(causes(KeyEvent.CompletionFailed.class, KeyEvent.CompletionFailed::cause))
                .hasSize(1)
                .allMatch(cause -> cause == thrown);
    }

    @Test
    void aChainEndsWhateverItsExceptionsDo() {
        Unspeakable unspeakable = new Unspeakable();
        IllegalStateException last = new IllegalStateException("last");
        unspeakable.addSuppressed(last);
        Exception first = new Exception("first", new Endless());
        first.addSuppressed(unspeakable);

        List<Throwable> chain = StoreFailure.chain(first);

        assertThat(chain.size()).isEqualTo(StoreFailure.LONGEST_CHAIN);
        // What is near isn't lost behind what never ends.
        assertThat(chain.get(0) == first).isTrue();
        assertThat(chain.get(2) == unspeakable).isTrue();
        assertThat(chain.get(4) == last).isTrue();
        assertThat(StoreFailure.chain(unspeakable).size()).isEqualTo(2);
    }
}
