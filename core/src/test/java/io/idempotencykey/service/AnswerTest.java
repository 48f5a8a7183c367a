package io.idempotencykey.service;

import static io.idempotencykey.service.Carts.NAME;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Response;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Exceptions that are answers, and exceptions that are left to the client. */
class AnswerTest {
    private static final Response NO_SUCH_CART = Response.of(404, "text/plain", "there is no such cart");

    /** What an application says by an exception. */
    private static final class CartNotFound extends Exception {
        private static final long serialVersionUID = 1L;
    }

    /** Its first stage writes a row, and then says that there is no such cart. */
    private Operation.Builder<List<String>> notFound(World world) {
        return world.service
                .operation(NAME)
                .stage(RecoveryPoint.STARTED, stage -> {
                    world.insert(stage, "a");
                    throw new CartNotFound();
                })
                .respond(World.TAXED, stage -> World.RESPONSE);
    }

    private Operation<List<String>> answering(World world) {
        return notFound(world).answering(CartNotFound.class, e -> NO_SUCH_CART).build();
    }

    @Test
    void anExceptionThatIsAnAnswerIsStoredAndReplayedAndItsStageRolledBack() {
        World world = new World();

        Execution first = world.service.run(answering(world), world.id, World.REQUEST);
        Execution retry = world.service.run(answering(world), world.id, World.REQUEST);

        assertThat(first.replayed()).isFalse();
        assertThat(first.response()).isEqualTo(NO_SUCH_CART);
        assertThat(retry.replayed()).isTrue();
        assertThat(retry.response()).isEqualTo(NO_SUCH_CART);
        assertThat(world.read("a")).isEmpty();
        assertThat(world.state())
                .isEqualTo(new KeyState.Finished(NO_SUCH_CART, World.START, World.START.plus(World.TIME_TO_LIVE)));
    }

    @Test
    void anAnswerCostsTheRolledBackStageAndOneUpdate() {
        World world = new World();

        world.service.run(answering(world), world.id, World.REQUEST);

        assertThat(world.store.calls()).containsExactly(Call.INSERT, Call.COMMIT_STAGE, Call.REPLACE);
    }

    @Test
    void anOutsideCallsExceptionCanBeTheAnswer() {
        World world = new World();
        Operation<List<String>> operation = world.service
                .operation(NAME)
                .<String>respond(
                        RecoveryPoint.STARTED,
                        key -> {
                            throw new IOException("declined");
                        },
                        (stage, charge) -> World.RESPONSE)
                .answering(IOException.class, e -> Response.of(402, "text/plain", String.valueOf(e.getMessage())))
                .build();

        assertThat(world.service.run(operation, world.id, World.REQUEST).response())
                .isEqualTo(Response.of(402, "text/plain", "declined"));
        assertThat(world.store.calls()).containsExactly(Call.INSERT, Call.REPLACE);
    }

    @Test
    void anExceptionOfAnotherTypeIsNoAnswer() {
        World world = new World();
        Operation<List<String>> operation =
                notFound(world).answering(IOException.class, e -> NO_SUCH_CART).build();

        assertThatThrownBy(() -> world.service.run(operation, world.id, World.REQUEST))
                .isInstanceOf(CartNotFound.class);

        assertThat(world.state()).isInstanceOf(KeyState.Failed.class);
    }

    /** Crashes before and after the write of the answer leave the key as any crash does. */
    @ParameterizedTest
    @EnumSource(names = {"CRASH_BEFORE", "CRASH_AFTER"})
    void aCrashAroundAnAnswerLeavesAKeyThatTheNextRequestBringsToTheSameAnswer(Fault crash) {
        World world = new World();
        world.store.next(Call.REPLACE, crash);

        assertThatExceptionOfType(Crash.class)
                .isThrownBy(() -> world.service.run(answering(world), world.id, World.REQUEST));
        world.pass(World.LEASE);

        assertThat(world.service.run(answering(world), world.id, World.REQUEST).response())
                .isEqualTo(NO_SUCH_CART);
        assertThat(world.read("a")).isEmpty();
    }

    @Test
    void anAnswerWhoseConfirmationIsLostIsFoundAgain() {
        World world = new World();
        world.store.next(Call.REPLACE, Fault.MADE_BUT_UNANSWERED);

        assertThat(world.service.run(answering(world), world.id, World.REQUEST).response())
                .isEqualTo(NO_SUCH_CART);
        assertThat(world.state()).isInstanceOf(KeyState.Finished.class);
    }

    @Test
    void anAnswerThatCanNotBeStoredIsNotGiven() {
        World world = new World();
        world.store.always(Call.REPLACE, Fault.UNAVAILABLE);

        assertThatExceptionOfType(IdempotencyException.StoreUnavailable.class)
                .isThrownBy(() -> world.service.run(answering(world), world.id, World.REQUEST))
                .satisfies(e -> assertThat(e.getSuppressed()).hasAtLeastOneElementOfType(CartNotFound.class));

        assertThat(world.state()).isInstanceOf(KeyState.Locked.class);
    }

    @Test
    void aZombiesAnswerIsFencedOff() {
        World world = new World();
        Operation<List<String>> operation = world.service
                .operation(NAME)
                .staged()
                .respond(RecoveryPoint.STARTED, stage -> {
                    world.pass(World.LEASE);
                    Threads.elsewhere(() -> world.other.claim(
                            world.other
                                    .operation(NAME)
                                    .respond(RecoveryPoint.STARTED, unused -> World.RESPONSE)
                                    .build(),
                            world.id,
                            World.REQUEST));
                    throw new CartNotFound();
                })
                .answering(CartNotFound.class, e -> NO_SUCH_CART)
                .build();

        assertThatExceptionOfType(IdempotencyException.StaleKey.class)
                .isThrownBy(() -> world.service.run(operation, world.id, World.REQUEST));

        assertThat(world.state()).isInstanceOf(KeyState.Locked.class);
        assertThat(world.key().attempts()).isEqualTo(2);
    }

    /** While a commit may still land, no exception is an answer before the key was read or written. */
    @Test
    void aLateCommitWinsOverAnAnswer() {
        World world = new World();
        List<Integer> runs = new ArrayList<>();
        Operation<List<String>> operation = world.service
                .operation(NAME)
                .staged()
                .respond(RecoveryPoint.STARTED, stage -> {
                    runs.add(runs.size());
                    if (runs.size() == 2) {
                        throw new CartNotFound();
                    }
                    world.insert(stage, "a");
                    return World.RESPONSE;
                })
                .answering(CartNotFound.class, e -> NO_SUCH_CART)
                .build();
        world.store.lateChangesLandAfter(Call.COMMIT_STAGE, 2);
        world.store.next(Call.COMMIT_STAGE, Fault.LATE);

        assertThat(world.service.run(operation, world.id, World.REQUEST).response())
                .isEqualTo(World.RESPONSE);

        assertThat(world.read("a")).contains("written");
        assertThat(world.service.run(operation, world.id, World.REQUEST).response())
                .isEqualTo(World.RESPONSE);
    }

    @Test
    void aTransientFailureIsNeverAnAnswer() {
        World world = new World();
        world.store.always(Call.COMMIT_STAGE, Fault.TRANSIENT);

        assertThatExceptionOfType(IdempotencyException.RetriesExhausted.class)
                .isThrownBy(() ->
                        world.service.run(answeringEverything(world).staged().build(), world.id, World.REQUEST));

        assertThat(world.state()).isInstanceOf(KeyState.Failed.class);
    }

    @Test
    void aTransientFailureIsNotTheAnswerOfASingleStageEither() {
        World world = new World();
        world.store.always(Call.COMMIT_SINGLE, Fault.TRANSIENT);

        assertThatExceptionOfType(IdempotencyException.RetriesExhausted.class)
                .isThrownBy(() -> world.service.run(answeringEverything(world).build(), world.id, World.REQUEST));

        assertThat(world.store.count(Call.COMMIT_SINGLE)).isEqualTo(World.MAX_TRIES);
        assertThat(world.find()).isEmpty();
    }

    private static Operation.Builder<List<String>> answeringEverything(World world) {
        return world.service
                .operation(NAME)
                .respond(RecoveryPoint.STARTED, stage -> World.RESPONSE)
                .answering(Exception.class, e -> NO_SUCH_CART);
    }

    @Test
    void anAnswerThatIsTooLongReleasesTheKey() {
        World world = new World();
        byte[] tooLong = new byte[1024 * 1024 + 1];
        Operation<List<String>> operation = notFound(world)
                .answering(CartNotFound.class, e -> Response.of(404, tooLong))
                .build();

        assertThatExceptionOfType(IdempotencyException.ResponseTooLarge.class)
                .isThrownBy(() -> world.service.run(operation, world.id, World.REQUEST));

        assertThat(world.state()).isInstanceOf(KeyState.Failed.class);
    }

    // Requests that nobody but their client brings on

    @Test
    void aRequestWhoseClientWasToldOfAnExceptionIsLeftToThatClient() {
        World world = new World();
        Operation<List<String>> operation = notFound(world).build();
        assertThatThrownBy(() -> world.service.run(operation, world.id, World.REQUEST))
                .isInstanceOf(CartNotFound.class);
        world.pass(World.TIME_TO_LIVE.minusMillis(1));

        assertThat(complete(world, operation)).isZero();

        assertThat(world.key().attempts()).isEqualTo(1);
        assertThat(world.key().failedAttempts()).isEqualTo(1);
        assertThat(world.key().lastError()).contains("CartNotFound");
        assertThat(world.state()).isEqualTo(new KeyState.Failed(World.START.plus(World.TIME_TO_LIVE)));
    }

    @Test
    void afterItsTimeToLiveItCountsAsAbsentAndIsReaped() {
        World world = new World();
        Operation<List<String>> operation = notFound(world).build();
        assertThatThrownBy(() -> world.service.run(operation, world.id, World.REQUEST))
                .isInstanceOf(CartNotFound.class);
        world.pass(World.TIME_TO_LIVE);

        assertThatExceptionOfType(IdempotencyException.NotFound.class)
                .isThrownBy(() -> world.service.retrieve(world.id));
        assertThat(new Reaper(world.service).runOnce()).isEqualTo(1);
        assertThat(world.find()).isEmpty();
    }

    @Test
    void itsClientBringsItOn() {
        World world = new World();
        assertThatThrownBy(() -> world.service.run(notFound(world).build(), world.id, World.REQUEST))
                .isInstanceOf(CartNotFound.class);
        Operation<List<String>> mended = world.service
                .operation(NAME)
                .respond(RecoveryPoint.STARTED, stage -> World.RESPONSE)
                .build();

        Execution retry = world.service.run(mended, world.id, World.REQUEST);

        assertThat(retry.replayed()).isFalse();
        assertThat(retry.key().attempts()).isEqualTo(2);
    }

    /** A crash tells the client nothing: the request is completed, and if it fails then, it isn't given up quietly. */
    @Test
    void aRequestWhoseServerDiedIsCompletedAndKeptWhenThatFails() {
        World world = new World();
        Operation<List<String>> operation = notFound(world).build();
        world.store.next(Call.COMMIT_STAGE, Fault.CRASH_BEFORE);
        assertThatExceptionOfType(Crash.class).isThrownBy(() -> world.service.run(operation, world.id, World.REQUEST));
        world.pass(World.LEASE.plusMillis(1));

        assertThat(complete(world, operation)).isZero();

        assertThat(world.state()).isInstanceOf(KeyState.Open.class);
        assertThat(world.key().failedAttempts()).isEqualTo(1);
    }

    /** The call may have had its effect, which must not be forgotten. */
    @Test
    void aRequestWhoseFirstStageCallsAnotherSystemIsCompletedWhateverItsClientWasTold() {
        World world = new World();
        List<String> charges = new ArrayList<>();
        Operation.Builder<List<String>> builder = world.service
                .operation(NAME)
                .respond(RecoveryPoint.STARTED, key -> charges.add(key.derivedKey("charge")), (stage, charged) -> {
                    if (charges.size() == 1) {
                        throw new CartNotFound();
                    }
                    return World.RESPONSE;
                });
        Operation<List<String>> operation = builder.build();
        assertThatThrownBy(() -> world.service.run(operation, world.id, World.REQUEST))
                .isInstanceOf(CartNotFound.class);
        world.pass(Duration.ofMinutes(1));

        assertThat(complete(world, operation)).isEqualTo(1);

        assertThat(charges).hasSize(2).containsOnly(charges.get(0));
    }

    @Test
    void anOperationMayLeaveSuchARequestToItsClientToo() {
        World world = new World();
        Operation<List<String>> operation = world.service
                .operation(NAME)
                .leaveToClientAfterFailure()
                .<String>respond(
                        RecoveryPoint.STARTED,
                        key -> {
                            throw new IOException("declined");
                        },
                        (stage, charge) -> World.RESPONSE)
                .build();
        assertThatThrownBy(() -> world.service.run(operation, world.id, World.REQUEST))
                .isInstanceOf(IOException.class);

        assertThat(world.state()).isInstanceOf(KeyState.Failed.class);
    }

    @Test
    void aRequestThatHasCommittedAStageIsCompletedWhateverItsClientWasTold() {
        World world = new World();
        List<Integer> runs = new ArrayList<>();
        Operation<List<String>> operation = world.service
                .operation(NAME)
                .stage(RecoveryPoint.STARTED, stage -> world.insert(stage, "a"))
                .respond(World.TAXED, stage -> {
                    runs.add(1);
                    if (runs.size() == 1) {
                        throw new CartNotFound();
                    }
                    return World.RESPONSE;
                })
                .build();
        assertThatThrownBy(() -> world.service.run(operation, world.id, World.REQUEST))
                .isInstanceOf(CartNotFound.class);
        world.pass(Duration.ofMinutes(1));

        assertThat(complete(world, operation)).isEqualTo(1);
    }

    private int complete(World world, Operation<List<String>> operation) {
        return Completer.builder(world.service)
                .operation(operation)
                .abandonedAfter(Duration.ZERO)
                .build()
                .runOnce();
    }
}
