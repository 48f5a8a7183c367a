package io.idempotencykey.service;

import static io.idempotencykey.RecoveryPoint.STARTED;
import static io.idempotencykey.service.Carts.NAME;
import static io.idempotencykey.service.World.REQUEST;
import static io.idempotencykey.service.World.RESPONSE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.KeyState;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.service.KeyEvent.Answered;
import io.idempotencykey.service.KeyEvent.Created;
import io.idempotencykey.service.KeyEvent.Finished;
import io.idempotencykey.service.KeyEvent.NotAnswered;
import io.idempotencykey.service.KeyEvent.Refused;
import io.idempotencykey.service.KeyEvent.Replayed;
import io.idempotencykey.service.KeyEvent.StageCommitted;
import io.idempotencykey.service.KeyEvent.StageRetried;
import io.idempotencykey.service.KeyEvent.StageRolledBack;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What listeners are told of requests of one stage in one transaction, and when. */
class SingleEventsTest {
    private static final Duration WORK = Duration.ofMillis(7);

    private final World world = new World();
    private final List<KeyEvent> events = new ArrayList<>();
    private final IdempotencyKeyService<List<String>> service =
            world.builder(world.store).listener(events::add).build();

    private Operation<List<String>> operation() {
        return service.operation(NAME)
                .respond(STARTED, stage -> {
                    world.insert(stage, "order");
                    world.pass(WORK);
                    return RESPONSE;
                })
                .build();
    }

    private Operation.Builder<List<String>> failing(Throwable failure) {
        return service.operation(NAME).respond(STARTED, stage -> {
            world.pass(WORK);
            throw World.<RuntimeException>asItIs(failure);
        });
    }

    private <E extends KeyEvent> E event(int index, Class<E> type) {
        return type.cast(events.get(index));
    }

    @ParameterizedTest
    @EnumSource(names = {"ABSENT", "EXPIRED", "FAILED_EXPIRED"})
    void aRequestIsCreatedCommittedAndFinishedAtOnceAndThenReplayed(State state) {
        world.put(state, NAME, STARTED);

        service.run(operation(), world.id, REQUEST);
        service.run(operation(), world.id, REQUEST);

        assertThat(events)
                .hasExactlyElementsOfTypes(
                        Created.class,
                        StageCommitted.class,
                        Finished.class,
                        Answered.class,
                        Replayed.class,
                        Answered.class);
        assertThat(event(0, Created.class).key().creation())
                .isEqualTo(world.key().creation());
        StageCommitted committed = event(1, StageCommitted.class);
        assertThat(committed.key()).isEqualTo(world.key());
        assertThat(committed.stage()).isEqualTo(STARTED);
        assertThat(committed.tries()).isEqualTo(1);
        assertThat(committed.duration()).isEqualTo(WORK);
        Finished finished = event(2, Finished.class);
        assertThat(finished.key()).isEqualTo(world.key());
        assertThat(finished.age()).isEqualTo(WORK);
        assertThat(event(3, Answered.class).duration()).isEqualTo(WORK);
        assertThat(event(4, Replayed.class).key()).isEqualTo(world.key());
        assertThat(event(5, Answered.class).execution().replayed()).isTrue();
        assertThat(event(5, Answered.class).duration()).isZero();
    }

    @Test
    void nothingIsToldBeforeTheCommit() {
        List<KeyEvent> toldBefore = new ArrayList<>();
        service.once(NAME, world.id, REQUEST, stage -> {
            toldBefore.addAll(events);
            return RESPONSE;
        });

        assertThat(toldBefore).isEmpty();
    }

    @Test
    void aTryThatIsRolledBackIsToldBeforeTheNextOne() {
        world.store.next(Call.COMMIT_SINGLE, Fault.TRANSIENT, Fault.LOST);

        service.run(operation(), world.id, REQUEST);

        assertThat(events)
                .hasExactlyElementsOfTypes(
                        StageRetried.class,
                        StageRetried.class,
                        Created.class,
                        StageCommitted.class,
                        Finished.class,
                        Answered.class);
        for (int i = 0; i < 2; i++) {
            StageRetried retried = event(i, StageRetried.class);
            assertThat(retried.tries()).isEqualTo(i + 1);
            assertThat(retried.cause()).hasMessageContaining(i == 0 ? "TRANSIENT" : "UNKNOWN");
            assertThat(retried.duration())
                    .isEqualTo(WORK.multipliedBy(i + 1)
                            .plus(world.pauses().stream().limit(i + 1).reduce(Duration.ZERO, Duration::plus)));
        }
        assertThat(event(3, StageCommitted.class).tries()).isEqualTo(3);
    }

    @Test
    void aCommitThatIsFoundAfterItsAnswerWasLostIsToldOnce() {
        world.store.next(Call.COMMIT_SINGLE, Fault.MADE_BUT_UNANSWERED);

        service.run(operation(), world.id, REQUEST);

        assertThat(events)
                .hasExactlyElementsOfTypes(Created.class, StageCommitted.class, Finished.class, Answered.class);
    }

    @Test
    void aStageThatFailsIsRolledBackAndNoKeyIsCreated() {
        IOException failure = new IOException("gone");

        assertThat(catchThrowable(() -> service.run(failing(failure).build(), world.id, REQUEST)))
                .isSameAs(failure);

        assertThat(events).hasExactlyElementsOfTypes(StageRolledBack.class, NotAnswered.class);
        NotAnswered notAnswered = event(1, NotAnswered.class);
        assertThat(notAnswered.operation()).isEqualTo(NAME);
        assertThat(notAnswered.id()).isEqualTo(world.id);
        assertThat(notAnswered.cause()).isSameAs(failure);
        assertThat(notAnswered.reason()).isEqualTo("failed");
        assertThat(notAnswered.duration()).isEqualTo(WORK);
        StageRolledBack rolledBack = event(0, StageRolledBack.class);
        assertThat(rolledBack.cause()).isSameAs(failure);
        assertThat(rolledBack.duration()).isEqualTo(WORK);
        assertThat(rolledBack.key().attempts()).isZero();
        assertThat(rolledBack.key().state()).isInstanceOf(KeyState.Locked.class);
    }

    @Test
    void anAnswerIsCreatedRolledBackAndFinished() {
        IOException failure = new IOException("gone");

        service.run(failing(failure).answering(IOException.class, e -> RESPONSE).build(), world.id, REQUEST);

        assertThat(events)
                .hasExactlyElementsOfTypes(Created.class, StageRolledBack.class, Finished.class, Answered.class);
        assertThat(event(0, Created.class).key()).isEqualTo(world.key());
        assertThat(event(1, StageRolledBack.class).cause()).isSameAs(failure);
        assertThat(event(1, StageRolledBack.class).duration()).isEqualTo(WORK);
        assertThat(event(2, Finished.class).key()).isEqualTo(world.key());
    }

    /** The write met a held row, and was made a little later all the same. */
    @Test
    void anAnswerThatIsFoundToBeStoredIsNoCommittedStage() {
        List<StoredKey> late = new ArrayList<>();
        MapKeyStore store = new MapKeyStore() {
            @Override
            public boolean insert(StoredKey key) {
                late.add(key);
                throw new StoreFailure(StoreFailure.Kind.BUSY, "the row is held", null);
            }
        };
        store.afterLook = () -> late.forEach(key -> store.keys.putIfAbsent(key.id(), key));
        IOException failure = new IOException("gone");
        Operation<List<String>> operation =
                failing(failure).answering(IOException.class, e -> RESPONSE).build();
        IdempotencyKeyService<List<String>> waiting =
                world.builder(store).listener(events::add).build();

        Execution execution = waiting.run(operation, world.id, REQUEST, Duration.ofMinutes(1));

        assertThat(late).hasSize(2);
        assertThat(execution.key()).isEqualTo(late.get(0).key());
        assertThat(events).filteredOn(StageCommitted.class::isInstance).isEmpty();
        assertThat(events.subList(events.size() - 2, events.size()))
                .hasExactlyElementsOfTypes(Finished.class, Answered.class);
        assertThat(events)
                .filteredOn(StageRolledBack.class::isInstance)
                .hasSize(1)
                .allSatisfy(
                        event -> assertThat(((StageRolledBack) event).cause()).isSameAs(failure));
    }

    @ParameterizedTest
    @EnumSource(names = {"LOCKED", "QUARANTINED"})
    void aRefusalIsToldOnce(State state) {
        world.put(state, NAME, STARTED);

        Throwable thrown = catchThrowable(() -> service.run(operation(), world.id, REQUEST));

        assertThat(events).hasExactlyElementsOfTypes(Refused.class, NotAnswered.class);
        assertThat(event(0, Refused.class).why()).isSameAs(thrown);
        assertThat(event(1, NotAnswered.class).reason()).isEqualTo(state.name().toLowerCase(Locale.ROOT));
    }

    /** What another key's holder is told is no refusal of this request: it is the stage that fails. */
    @Test
    void whatAStageMeetsOfAnotherKeyIsToldOnce() {
        world.put(world.id("other"), State.LOCKED, "", STARTED);

        Throwable thrown = catchThrowable(() -> service.once(NAME, world.id, REQUEST, stage -> {
            service.lock(world.id("other"));
            return RESPONSE;
        }));

        assertThat(thrown).isInstanceOf(IdempotencyException.Locked.class);
        assertThat(events).hasExactlyElementsOfTypes(Refused.class, StageRolledBack.class, NotAnswered.class);
        assertThat(event(2, NotAnswered.class).reason()).isEqualTo("failed");
    }

    @Test
    void aMismatchIsToldOnce() {
        world.put(State.FINISHED, NAME, STARTED);

        Throwable thrown = catchThrowable(() -> service.run(operation(), world.id, World.OTHER_REQUEST));

        assertThat(events).hasExactlyElementsOfTypes(Refused.class, NotAnswered.class);
        assertThat(event(0, Refused.class).why()).isSameAs(thrown).isInstanceOf(IdempotencyException.Mismatch.class);
    }

    @Test
    void triesThatAreExhaustedAreToldAfterEachOfThem() {
        world.store.always(Call.COMMIT_SINGLE, Fault.TRANSIENT);

        Throwable thrown = catchThrowable(() -> service.run(operation(), world.id, REQUEST));

        assertThat(events)
                .hasExactlyElementsOfTypes(
                        StageRetried.class,
                        StageRetried.class,
                        StageRetried.class,
                        StageRolledBack.class,
                        Refused.class,
                        NotAnswered.class);
        assertThat(event(3, StageRolledBack.class).cause()).isSameAs(thrown);
        assertThat(event(4, Refused.class).why()).isSameAs(thrown);
        assertThat(event(5, NotAnswered.class).reason()).isEqualTo("retries-exhausted");
    }

    @Test
    void aKeyThatIsBroughtOnStageByStageIsToldAsSuch() {
        world.put(State.LEASE_OVER, NAME, STARTED);

        service.run(operation(), world.id, REQUEST);

        assertThat(events)
                .hasExactlyElementsOfTypes(
                        KeyEvent.TakenOver.class, StageCommitted.class, Finished.class, Answered.class);
    }

    @Test
    void listenersThatThrowHarmNothing() {
        IdempotencyKeyService<List<String>> brittle = world.builder(world.store)
                .listener(event -> {
                    events.add(event);
                    throw new IllegalStateException("a listener's");
                })
                .build();
        world.store.next(Call.COMMIT_SINGLE, Fault.TRANSIENT);

        Execution first = brittle.run(operation(), world.id, REQUEST);
        Execution retry = brittle.run(operation(), world.id, REQUEST);

        assertThat(first.response()).isEqualTo(RESPONSE);
        assertThat(retry.replayed()).isTrue();
        assertThat(world.read("order")).contains("written");
        assertThat(events)
                .hasExactlyElementsOfTypes(
                        StageRetried.class,
                        Created.class,
                        StageCommitted.class,
                        Finished.class,
                        Answered.class,
                        Replayed.class,
                        Answered.class);
    }
}
