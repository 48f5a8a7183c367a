package io.idempotencykey.service;

import static io.idempotencykey.RecoveryPoint.STARTED;
import static io.idempotencykey.service.Carts.DAY;
import static io.idempotencykey.service.Carts.NAME;
import static io.idempotencykey.service.Carts.THRESHOLD;
import static io.idempotencykey.service.Carts.completer;
import static io.idempotencykey.service.Carts.twoStages;
import static io.idempotencykey.service.World.LEASE;
import static io.idempotencykey.service.World.PAID;
import static io.idempotencykey.service.World.REQUEST;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.idempotencykey.Fingerprint;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.KeyState;
import io.idempotencykey.Request;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Requests of which not all is stored: who can bring them on, and who can not. */
class RedactionTest {
    @Test
    void redactedParametersAreNotStoredAndStillTellRequestsApart() {
        World world = new World();
        List<Object> seen = new ArrayList<>();
        Operation<List<String>> operation = redacting(world, seen).build();

        world.service.run(operation, world.id, REQUEST);

        assertThat(seen).as("stages see what their client sent").containsExactly("a@example.org", "a@example.org");
        assertThat(world.key().request().parameters()).isEqualTo(Map.of("email", "***"));
        assertThat(world.key().request().isComplete()).isFalse();
        assertThat(world.service.run(operation, world.id, REQUEST).replayed()).isTrue();
        assertThatExceptionOfType(IdempotencyException.Mismatch.class)
                .isThrownBy(() -> world.service.run(operation, world.id, World.OTHER_REQUEST));
    }

    @Test
    void aRedactedRequestIsLeftToItsClient() {
        World world = new World();
        List<Object> seen = new ArrayList<>();
        Operation<List<String>> operation = redacting(world, seen).build();
        world.store.next(Call.COMMIT_STAGE, Fault.CRASH_AFTER);
        assertThat(catchThrowable(() -> world.service.run(operation, world.id, REQUEST)))
                .isInstanceOf(Crash.class);
        world.pass(LEASE.plus(DAY).plusMillis(1));
        Completer<List<String>> completer = completer(world, operation);

        assertThat(completer.completedOperations()).isEmpty();
        assertThat(completer.runOnce()).isZero();
        assertThat(world.state()).isNotInstanceOf(KeyState.Quarantined.class);

        assertThat(world.service.run(operation, world.id, REQUEST).replayed()).isFalse();
        assertThat(seen).containsExactly("a@example.org", "a@example.org");
    }

    @Test
    void aRedactedRequestIsCompletedWhereTheOperationCanDoWithout() {
        World world = new World();
        List<Object> seen = new ArrayList<>();
        Operation<List<String>> operation =
                redacting(world, seen).resumableWithoutParameters().build();
        world.store.next(Call.COMMIT_STAGE, Fault.CRASH_AFTER);
        assertThat(catchThrowable(() -> world.service.run(operation, world.id, REQUEST)))
                .isInstanceOf(Crash.class);
        world.pass(LEASE.plus(THRESHOLD).plusMillis(1));
        Completer<List<String>> completer = completer(world, operation);

        assertThat(completer.completedOperations()).containsExactly(NAME);
        assertThat(completer.runOnce()).isEqualTo(1);
        assertThat(seen).containsExactly("a@example.org", "***");
    }

    @Test
    void aRequestStoredWithoutItsParametersIsLeftToItsClientAlsoByALaterVersion() {
        World world = new World();
        Request redacted = REQUEST.redacted(Map.of());
        KeyState open = new KeyState.Open(STARTED, World.START.minusSeconds(60));
        assertThat(world.store.insert(World.stored(
                        world.id, NAME, redacted, Fingerprint.of(NAME, REQUEST), World.START.minusSeconds(60), open)))
                .isTrue();
        world.pass(THRESHOLD.plusMillis(1));

        assertThat(completer(world, twoStages(world)).runOnce()).isZero();

        assertThat(world.stageRuns()).isZero();
        assertThat(world.state())
                .as("out of the way of others for a day")
                .isEqualTo(new KeyState.Open(STARTED, world.millis().plus(DAY)));
        assertThat(world.service.run(twoStages(world), world.id, REQUEST).replayed())
                .isFalse();
    }

    @Test
    void aRequestStoredWithoutItsParametersIsNotCompletedThoughItCanNotBePutOutOfTheWay() {
        World world = new World();
        Request redacted = REQUEST.redacted(Map.of());
        KeyState open = new KeyState.Open(STARTED, World.START.minusSeconds(60));
        assertThat(world.store.insert(World.stored(
                        world.id, NAME, redacted, Fingerprint.of(NAME, REQUEST), World.START.minusSeconds(60), open)))
                .isTrue();
        world.pass(THRESHOLD.plusMillis(1));
        world.store.next(Call.REPLACE, Fault.BUSY);

        assertThat(completer(world, twoStages(world)).runOnce()).isZero();

        assertThat(world.stageRuns()).isZero();
        assertThat(world.state()).isEqualTo(open);
    }

    @Test
    void aRedactingOperationsOldRequestsAreKeptOutOfTheWay() {
        World world = new World();
        Operation<List<String>> operation = redacting(world, new ArrayList<>()).build();
        world.store.next(Call.COMMIT_STAGE, Fault.CRASH_AFTER);
        assertThat(catchThrowable(() -> world.service.run(operation, world.id, REQUEST)))
                .isInstanceOf(Crash.class);
        world.pass(LEASE.plus(DAY).plusMillis(1));

        completer(world, operation).runOnce();

        assertThat(world.state())
                .isEqualTo(new KeyState.Open(PAID, world.millis().plus(DAY)));
    }

    /** The client comes back at the very moment at which the completer leaves the request to it. */
    @Test
    void aRequestThatItsClientTakesMeanwhileIsNotPutOutOfTheWay() {
        World world = new World();
        Operation<List<String>> operation = redacting(world, new ArrayList<>()).build();
        world.store.next(Call.COMMIT_STAGE, Fault.CRASH_AFTER);
        assertThat(catchThrowable(() -> world.service.run(operation, world.id, REQUEST)))
                .isInstanceOf(Crash.class);
        world.pass(LEASE.plus(DAY).plusMillis(1));
        List<HeldKey> held = new ArrayList<>();
        world.store.before(Call.REPLACE, () -> held.add(world.other.lock(world.id)));

        completer(world, operation).runOnce();

        assertThat(world.key()).isEqualTo(held.get(0).key());
        assertThat(world.other.unlock(held.get(0)).state()).isInstanceOf(KeyState.Open.class);
    }

    @Test
    void theMessageOfAnErrorIsNotStoredEither() {
        World world = new World();
        Operation<List<String>> operation = world.service
                .operation(NAME)
                .staged()
                .redact(parameters -> Map.of())
                .respond(STARTED, stage -> {
                    throw new IllegalArgumentException("the card 4111 is refused");
                })
                .build();

        assertThat(catchThrowable(() -> world.service.run(operation, world.id, REQUEST)))
                .hasMessage("the card 4111 is refused");

        assertThat(world.stored().key().lastError()).isEqualTo("java.lang.IllegalArgumentException");
    }

    private Operation.Builder<List<String>> redacting(World world, List<Object> seen) {
        return world.service
                .operation(NAME)
                .redact(parameters -> Map.of("email", "***"))
                .branch(STARTED, stage -> {
                    seen.add(String.valueOf(stage.request().parameters().get("email")));
                    return StageOutcome.advanceTo(PAID);
                })
                .branch(PAID, stage -> {
                    seen.add(String.valueOf(stage.request().parameters().get("email")));
                    return World.respond();
                });
    }
}
