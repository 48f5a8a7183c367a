package io.idempotencykey.service;

import static io.idempotencykey.RecoveryPoint.STARTED;
import static io.idempotencykey.service.Carts.NAME;
import static io.idempotencykey.service.World.REQUEST;
import static io.idempotencykey.service.World.RESPONSE;
import static io.idempotencykey.service.World.TAXED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.idempotencykey.IdempotencyKey;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a listener sees of a stage from its beginning to its end. */
class StageObservationTest {
    private final World world = new World();
    private final List<String> told = new ArrayList<>();
    private final IdempotencyKeyService<List<String>> service =
            world.builder(world.store).listener(new Telling("")).build();

    /** Writes down what it is told, in the order in which it is. */
    private class Telling implements KeyListener {
        private final String name;

        Telling(String name) {
            this.name = name;
        }

        @Override
        public void onEvent(KeyEvent event) {
            told.add(name + event.getClass().getSimpleName());
        }

        @Override
        public StageObservation stageBegins(IdempotencyKey key) {
            told.add(name + "begins at " + key.recoveryPoint());
            Thread thread = Thread.currentThread();
            return failure -> {
                assertThat(Thread.currentThread()).isSameAs(thread);
                told.add(name + "ends" + (failure == null ? "" : " with " + failure.getMessage()));
            };
        }
    }

    private Operation.Builder<List<String>> single(@Nullable Exception failure) {
        return service.operation(NAME).respond(STARTED, stage -> {
            told.add("work");
            if (failure != null) {
                throw failure;
            }
            return RESPONSE;
        });
    }

    @Test
    void eachStageIsSeenFromBeforeItsOutsideCallToAfterItsCommit() {
        Operation<List<String>> operation = service.operation(NAME)
                .stage(STARTED, key -> told.add("call"), (stage, called) -> {
                    told.add("work");
                })
                .respond(TAXED, stage -> RESPONSE)
                .build();
        world.store.next(Call.COMMIT_STAGE, Fault.TRANSIENT);

        service.run(operation, world.id, REQUEST);

        assertThat(told)
                .containsExactly(
                        "Created",
                        "begins at started",
                        "call",
                        "work",
                        "StageRetried",
                        "work",
                        "StageCommitted",
                        "ends",
                        "begins at tax_lines_created",
                        "StageCommitted",
                        "ends",
                        "Finished",
                        "Answered");
    }

    @Test
    void aRequestsOnlyStageIsSeenOnceInAllItsTries() {
        world.store.next(Call.COMMIT_SINGLE, Fault.TRANSIENT);

        service.run(single(null).build(), world.id, REQUEST);

        assertThat(told)
                .containsExactly(
                        "begins at started",
                        "work",
                        "StageRetried",
                        "work",
                        "Created",
                        "StageCommitted",
                        "Finished",
                        "ends",
                        "Answered");
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aFailureIsSeenAsItReachesTheCaller(boolean staged) {
        Operation.Builder<List<String>> operation = single(new IOException("gone"));
        Operation<List<String>> built = (staged ? operation.staged() : operation).build();

        assertThat(catchThrowable(() -> service.run(built, world.id, REQUEST))).isInstanceOf(IOException.class);

        assertThat(told).endsWith("begins at started", "work", "StageRolledBack", "ends with gone", "NotAnswered");
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void anExceptionThatIsTheAnswerIsNoFailure(boolean staged) {
        Operation.Builder<List<String>> operation =
                single(new IOException("gone")).answering(IOException.class, e -> RESPONSE);

        service.run((staged ? operation.staged() : operation).build(), world.id, REQUEST);

        assertThat(told).contains("begins at started", "ends").doesNotContain("ends with gone");
    }

    @Test
    void aReplayIsNoStage() {
        service.run(single(null).build(), world.id, REQUEST);
        told.clear();

        service.run(single(null).build(), world.id, REQUEST);

        assertThat(told).containsExactly("Replayed", "Answered");
    }

    @Test
    void listenersAreToldOfTheEndInTheOppositeOrderAndWhatTheyThrowHarmsNothing() {
        IdempotencyKeyService<List<String>> several = world.builder(world.store)
                .listener(new Telling("1 "))
                .listener(new KeyListener() {
                    @Override
                    public void onEvent(KeyEvent event) {}

                    @Override
                    public StageObservation stageBegins(IdempotencyKey key) {
                        throw new IllegalStateException("a listener's");
                    }
                })
                .listener(new KeyListener() {
                    @Override
                    public void onEvent(KeyEvent event) {}

                    @Override
                    public StageObservation stageBegins(IdempotencyKey key) {
                        return failure -> {
                            throw new IllegalStateException("a listener's");
                        };
                    }
                })
                .listener(new Telling("2 "))
                .build();

        several.once(NAME, world.id, REQUEST, stage -> RESPONSE);

        assertThat(told.stream().filter(line -> line.contains("begins") || line.contains("ends")))
                .containsExactly("1 begins at started", "2 begins at started", "2 ends", "1 ends");
    }

    /** A listener that throws at one place. */
    private record Throwing(String where, Throwable what) implements KeyListener {
        @Override
        public void onEvent(KeyEvent event) {
            at("event");
        }

        @Override
        public StageObservation stageBegins(IdempotencyKey key) {
            at("begin");
            return failure -> at("end");
        }

        private void at(String place) {
            if (place.equals(where)) {
                throw StageRun.<RuntimeException>asItIs(what);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"event", "begin", "end"})
    void anInterruptionThatAListenerHasTakenReachesTheCaller(String where) {
        IdempotencyKeyService<List<String>> interrupted = world.builder(world.store)
                .listener(new Throwing(where, new InterruptedException()))
                .build();

        assertThat(interrupted
                        .once(NAME, world.id, REQUEST, stage -> RESPONSE)
                        .response()
                        .status())
                .isEqualTo(RESPONSE.status());

        assertThat(Thread.interrupted()).isTrue();
    }

    @ParameterizedTest
    @ValueSource(strings = {"event", "begin", "end"})
    void anErrorOfAListenerHarmsNothing(String where) {
        IdempotencyKeyService<List<String>> harmed = world.builder(world.store)
                .listener(new Throwing(where, new StackOverflowError()))
                .build();

        assertThat(harmed.once(NAME, world.id, REQUEST, stage -> RESPONSE)
                        .response()
                        .status())
                .isEqualTo(RESPONSE.status());
    }
}
