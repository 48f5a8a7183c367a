package io.idempotencykey.service;

import static io.idempotencykey.RecoveryPoint.STARTED;
import static io.idempotencykey.service.Carts.DAY;
import static io.idempotencykey.service.Carts.NAME;
import static io.idempotencykey.service.Carts.THRESHOLD;
import static io.idempotencykey.service.Carts.completer;
import static io.idempotencykey.service.Carts.failing;
import static io.idempotencykey.service.Carts.twoStages;
import static io.idempotencykey.service.World.LEASE;
import static io.idempotencykey.service.World.REQUEST;
import static io.idempotencykey.service.World.RESPONSE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.assertj.core.api.Assertions.tuple;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.service.Carts.OutOfStock;
import java.time.Duration;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.junit.jupiter.api.Test;

/** What a listener is told. */
class ListenerTest {
    @Test
    void aListenerIsToldHowLongCompletingTook() {
        World world = new World();
        Queue<KeyEvent> events = new ConcurrentLinkedQueue<>();
        world.put(State.OPEN, NAME, STARTED);
        world.pass(THRESHOLD.plusMillis(1));
        Operation<List<String>> operation = world.service
                .operation(NAME)
                .branch(STARTED, stage -> {
                    world.pass(Duration.ofSeconds(3));
                    return World.respond();
                })
                .build();

        completer(world.builder(world.store).listener(events::add).build(), operation)
                .runOnce();

        assertThat(events).contains(new KeyEvent.Completed(world.key(), Duration.ofSeconds(3)));
    }

    @Test
    void aListenerIsToldOfQuarantine() {
        World world = new World();
        Queue<KeyEvent> events = new ConcurrentLinkedQueue<>();
        IdempotencyKeyService<List<String>> service =
                world.builder(world.store).listener(events::add).build();
        Operation<List<String>> operation = failing(world).maxAttempts(1).build();
        assertThat(catchThrowable(() -> service.run(operation, world.id, REQUEST)))
                .isInstanceOf(OutOfStock.class);
        world.put(world.id("unknown"), State.OPEN, "another-operation", STARTED);
        world.pass(DAY);
        Completer.builder(service).operation(operation).build().runOnce();

        assertThat(kinds(events))
                .containsExactly("Created", "Quarantined", "StageRolledBack", "NotAnswered", "Quarantined");
    }

    @Test
    void aListenerIsToldWhatHappensInOrder() {
        World world = new World();
        Queue<KeyEvent> events = new ConcurrentLinkedQueue<>();
        IdempotencyKeyService<List<String>> runner =
                world.builder(world.store).listener(events::add).build();
        Operation<List<String>> operation = twoStages(world);

        world.store.next(Call.COMMIT_STAGE, Fault.TRANSIENT);
        runner.run(operation, world.id, REQUEST);
        runner.run(operation, world.id, REQUEST);
        assertThat(catchThrowable(() -> runner.run(operation, world.id, World.OTHER_REQUEST)))
                .isInstanceOf(IdempotencyException.Mismatch.class);

        assertThat(kinds(events))
                .containsExactly(
                        "Created",
                        "StageRetried",
                        "StageCommitted",
                        "StageCommitted",
                        "Finished",
                        "Answered",
                        "Replayed",
                        "Answered",
                        "Refused",
                        "NotAnswered");
        assertThat(events)
                .filteredOn(event -> event instanceof KeyEvent.StageCommitted)
                .extracting(event -> ((KeyEvent.StageCommitted) event).tries())
                .containsExactly(2, 1);
    }

    @Test
    void aListenerIsToldOfTakeoversFencesAndFailures() {
        World world = new World();
        Queue<KeyEvent> events = new ConcurrentLinkedQueue<>();
        IdempotencyKeyService<List<String>> service =
                world.builder(world.store).listener(events::add).build();
        HeldKey stale = world.hold();
        world.pass(LEASE);

        HeldKey held = service.lock(world.id);
        assertThat(catchThrowable(() -> service.workStage(stale, world.inserting("order", World.respond()))))
                .isInstanceOf(IdempotencyException.StaleKey.class);
        assertThat(catchThrowable(() -> service.workStage(held, stage -> {
                    throw new OutOfStock();
                })))
                .isInstanceOf(OutOfStock.class);
        service.lock(world.id);
        assertThat(catchThrowable(() -> service.lock(world.id))).isInstanceOf(IdempotencyException.Locked.class);

        assertThat(kinds(events))
                .containsExactly("TakenOver", "FencedOff", "Refused", "StageRolledBack", "Locked", "Refused");
    }

    @Test
    void aListenerThatThrowsHarmsNothing() {
        World world = new World();
        IdempotencyKeyService<List<String>> runner = world.builder(world.store)
                .listener(event -> {
                    throw new IllegalStateException("a broken listener");
                })
                .build();

        assertThat(runner.run(twoStages(world), world.id, REQUEST).response()).isEqualTo(RESPONSE);
        assertThat(runner.run(twoStages(world), world.id, REQUEST).replayed()).isTrue();
    }

    @Test
    void aListenerIsToldHowOftenAndHowLongAStageWasTried() {
        World world = new World();
        Queue<KeyEvent> events = new ConcurrentLinkedQueue<>();
        IdempotencyKeyService<List<String>> service =
                world.builder(world.store).listener(events::add).build();
        HeldKey held = world.hold();
        world.store.next(Call.COMMIT_STAGE, Fault.TRANSIENT, Fault.TRANSIENT);

        service.workStage(held, stage -> {
            world.pass(Duration.ofSeconds(3));
            return StageOutcome.respond(RESPONSE);
        });

        Duration first = Duration.ofSeconds(3).plus(world.pauses().get(0));
        Duration second = first.plusSeconds(3).plus(world.pauses().get(1));
        assertThat(events)
                .filteredOn(KeyEvent.StageRetried.class::isInstance)
                .extracting(
                        event -> ((KeyEvent.StageRetried) event).tries(),
                        event -> ((KeyEvent.StageRetried) event).duration())
                .containsExactly(tuple(1, first), tuple(2, second));
        assertThat(events).contains(new KeyEvent.StageCommitted(world.key(), STARTED, 3, second.plusSeconds(3)));
    }

    static List<String> kinds(Queue<KeyEvent> events) {
        return events.stream().map(event -> event.getClass().getSimpleName()).toList();
    }

    @Test
    void aListenerIsToldThatAClaimFoundItsKeyHeld() {
        World world = new World();
        Queue<KeyEvent> events = new ConcurrentLinkedQueue<>();
        IdempotencyKeyService<List<String>> service =
                world.builder(world.store).listener(events::add).build();
        HeldKey held = world.hold();

        assertThat(World.isInFlight(service.claim(world.id, REQUEST))).isTrue();

        assertThat(events).containsExactly(new KeyEvent.FoundInFlight(held.key(), Duration.ofSeconds(1)));
    }
}
