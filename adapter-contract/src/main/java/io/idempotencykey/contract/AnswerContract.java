package io.idempotencykey.contract;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Response;
import io.idempotencykey.service.Completer;
import io.idempotencykey.service.Execution;
import io.idempotencykey.service.Operation;
import io.idempotencykey.service.Reaper;
import io.idempotencykey.service.StageContext;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Exceptions that are answers, exceptions that are left to the client, and what a stage's context allows. */
interface AnswerContract<T> extends StoreFixture<T> {
    /** An answer that an exception stands for. */
    Response NO_SUCH_CART = Response.of(404, "text/plain", "there is no such cart");

    /** What an application says by an exception. */
    class CartNotFound extends Exception {
        private static final long serialVersionUID = 1L;
    }

    /** Its first stage writes a row, and then says that there is no such cart. */
    private Operation.Builder<T> notFound(World<T> world) {
        return world.service
                .operation(World.NAME)
                .stage(RecoveryPoint.STARTED, stage -> {
                    world.insert(stage, "a");
                    throw new CartNotFound();
                })
                .respond(World.TAXED, stage -> World.RESPONSE);
    }

    private Operation<T> answering(World<T> world) {
        return notFound(world).answering(CartNotFound.class, e -> NO_SUCH_CART).build();
    }

    @Test
    default void anExceptionThatIsAnAnswerIsStoredAndReplayedAndItsStageRolledBack() {
        World<T> world = new World<>(this);

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
    default void anAnswerCostsTheRolledBackStageAndOneUpdate() {
        World<T> world = new World<>(this);

        world.service.run(answering(world), world.id, World.REQUEST);

        assertThat(world.store.calls()).containsExactly(Call.INSERT, Call.COMMIT_STAGE, Call.REPLACE);
    }

    @Test
    default void anOutsideCallsExceptionCanBeTheAnswer() {
        World<T> world = new World<>(this);
        Operation<T> operation = world.service
                .operation(World.NAME)
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
    default void anExceptionOfAnotherTypeIsNoAnswer() {
        World<T> world = new World<>(this);
        Operation<T> operation =
                notFound(world).answering(IOException.class, e -> NO_SUCH_CART).build();

        assertThatThrownBy(() -> world.service.run(operation, world.id, World.REQUEST))
                .isInstanceOf(CartNotFound.class);

        assertThat(world.state()).isInstanceOf(KeyState.Failed.class);
    }

    /** Crashes before and after the write of the answer leave the key as any crash does. */
    @ParameterizedTest
    @EnumSource(names = {"CRASH_BEFORE", "CRASH_AFTER"})
    default void aCrashAroundAnAnswerLeavesAKeyThatTheNextRequestBringsToTheSameAnswer(Fault crash) {
        World<T> world = new World<>(this);
        world.store.next(Call.REPLACE, crash);

        assertThatExceptionOfType(Crash.class)
                .isThrownBy(() -> world.service.run(answering(world), world.id, World.REQUEST));
        world.pass(World.LEASE);

        assertThat(world.service.run(answering(world), world.id, World.REQUEST).response())
                .isEqualTo(NO_SUCH_CART);
        assertThat(world.read("a")).isEmpty();
    }

    @Test
    default void anAnswerWhoseConfirmationIsLostIsFoundAgain() {
        World<T> world = new World<>(this);
        world.store.next(Call.REPLACE, Fault.MADE_BUT_UNANSWERED);

        assertThat(world.service.run(answering(world), world.id, World.REQUEST).response())
                .isEqualTo(NO_SUCH_CART);
        assertThat(world.state()).isInstanceOf(KeyState.Finished.class);
    }

    @Test
    default void anAnswerThatCanNotBeStoredIsNotGiven() {
        World<T> world = new World<>(this);
        world.store.always(Call.REPLACE, Fault.UNAVAILABLE);

        assertThatExceptionOfType(IdempotencyException.StoreUnavailable.class)
                .isThrownBy(() -> world.service.run(answering(world), world.id, World.REQUEST))
                .satisfies(e -> assertThat(e.getSuppressed()).hasAtLeastOneElementOfType(CartNotFound.class));

        assertThat(world.state()).isInstanceOf(KeyState.Locked.class);
    }

    @Test
    default void aZombiesAnswerIsFencedOff() {
        World<T> world = new World<>(this);
        Operation<T> operation = world.service
                .operation(World.NAME)
                .respond(RecoveryPoint.STARTED, stage -> {
                    world.pass(World.LEASE);
                    Threads.elsewhere(() -> world.other.claim(
                            world.other
                                    .operation(World.NAME)
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
    default void aLateCommitWinsOverAnAnswer() {
        World<T> world = new World<>(this);
        List<Integer> runs = new ArrayList<>();
        Operation<T> operation = world.service
                .operation(World.NAME)
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
    default void aTransientFailureIsNeverAnAnswer() {
        World<T> world = new World<>(this);
        Operation<T> operation = world.service
                .operation(World.NAME)
                .respond(RecoveryPoint.STARTED, stage -> World.RESPONSE)
                .answering(Exception.class, e -> NO_SUCH_CART)
                .build();
        world.store.always(Call.COMMIT_STAGE, Fault.TRANSIENT);

        assertThatExceptionOfType(IdempotencyException.RetriesExhausted.class)
                .isThrownBy(() -> world.service.run(operation, world.id, World.REQUEST));

        assertThat(world.state()).isInstanceOf(KeyState.Failed.class);
    }

    @Test
    default void anAnswerThatIsTooLongReleasesTheKey() {
        World<T> world = new World<>(this);
        byte[] tooLong = new byte[1024 * 1024 + 1];
        Operation<T> operation = notFound(world)
                .answering(CartNotFound.class, e -> Response.of(404, tooLong))
                .build();

        assertThatExceptionOfType(IdempotencyException.ResponseTooLarge.class)
                .isThrownBy(() -> world.service.run(operation, world.id, World.REQUEST));

        assertThat(world.state()).isInstanceOf(KeyState.Failed.class);
    }

    // Requests that nobody but their client brings on

    @Test
    default void aRequestWhoseClientWasToldOfAnExceptionIsLeftToThatClient() {
        World<T> world = World.emptyOf(this);
        Operation<T> operation = notFound(world).build();
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
    default void afterItsTimeToLiveItCountsAsAbsentAndIsReaped() {
        World<T> world = World.emptyOf(this);
        Operation<T> operation = notFound(world).build();
        assertThatThrownBy(() -> world.service.run(operation, world.id, World.REQUEST))
                .isInstanceOf(CartNotFound.class);
        world.pass(World.TIME_TO_LIVE);

        assertThatExceptionOfType(IdempotencyException.NotFound.class)
                .isThrownBy(() -> world.service.retrieve(world.id));
        assertThat(new Reaper(world.service).runOnce()).isEqualTo(1);
        assertThat(world.find()).isEmpty();
    }

    @Test
    default void itsClientBringsItOn() {
        World<T> world = new World<>(this);
        assertThatThrownBy(() -> world.service.run(notFound(world).build(), world.id, World.REQUEST))
                .isInstanceOf(CartNotFound.class);
        Operation<T> mended = world.service
                .operation(World.NAME)
                .respond(RecoveryPoint.STARTED, stage -> World.RESPONSE)
                .build();

        Execution retry = world.service.run(mended, world.id, World.REQUEST);

        assertThat(retry.replayed()).isFalse();
        assertThat(retry.key().attempts()).isEqualTo(2);
    }

    /**
     * A crash tells the client nothing: the request is completed, and if it fails then, it isn't given up in silence.
     */
    @Test
    default void aRequestWhoseServerDiedIsCompletedAndKeptWhenThatFails() {
        World<T> world = World.emptyOf(this);
        Operation<T> operation = notFound(world).build();
        world.store.next(Call.COMMIT_STAGE, Fault.CRASH_BEFORE);
        assertThatExceptionOfType(Crash.class).isThrownBy(() -> world.service.run(operation, world.id, World.REQUEST));
        world.pass(World.LEASE.plusMillis(1));

        assertThat(complete(world, operation)).isZero();

        assertThat(world.state()).isInstanceOf(KeyState.Open.class);
        assertThat(world.key().failedAttempts()).isEqualTo(1);
    }

    /** The call may have had its effect, which must not be forgotten. */
    @Test
    default void aRequestWhoseFirstStageCallsAnotherSystemIsCompletedWhateverItsClientWasTold() {
        World<T> world = World.emptyOf(this);
        List<String> charges = new ArrayList<>();
        Operation.Builder<T> builder = world.service
                .operation(World.NAME)
                .respond(RecoveryPoint.STARTED, key -> charges.add(key.derivedKey("charge")), (stage, charged) -> {
                    if (charges.size() == 1) {
                        throw new CartNotFound();
                    }
                    return World.RESPONSE;
                });
        Operation<T> operation = builder.build();
        assertThatThrownBy(() -> world.service.run(operation, world.id, World.REQUEST))
                .isInstanceOf(CartNotFound.class);
        world.pass(Duration.ofMinutes(1));

        assertThat(complete(world, operation)).isEqualTo(1);

        assertThat(charges).hasSize(2).containsOnly(charges.get(0));
    }

    @Test
    default void anOperationMayLeaveSuchARequestToItsClientToo() {
        World<T> world = World.emptyOf(this);
        Operation<T> operation = world.service
                .operation(World.NAME)
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
    default void aRequestThatHasCommittedAStageIsCompletedWhateverItsClientWasTold() {
        World<T> world = World.emptyOf(this);
        List<Integer> runs = new ArrayList<>();
        Operation<T> operation = world.service
                .operation(World.NAME)
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

    private int complete(World<T> world, Operation<T> operation) {
        return Completer.builder(world.service)
                .operation(operation)
                .abandonedAfter(Duration.ZERO)
                .build()
                .runOnce();
    }

    // What a stage's context allows

    @Test
    default void aStagesContextHandsOutNoTransactionAfterTheStage() {
        World<T> world = new World<>(this);
        List<StageContext<T>> kept = new ArrayList<>();

        world.service.once("keep", world.id, World.REQUEST, stage -> {
            kept.add(stage);
            world.insert(stage, "a");
            return World.RESPONSE;
        });

        assertThatThrownBy(() -> world.insert(kept.get(0), "late")).isInstanceOf(IllegalStateException.class);
        assertThat(world.read("late")).isEmpty();
    }

    @Test
    default void aStagesHandleRefusesUseAfterTheStage() {
        World<T> world = new World<>(this);
        List<T> kept = new ArrayList<>();

        world.service.once("keep", world.id, World.REQUEST, stage -> {
            kept.add(stage.transaction());
            return World.RESPONSE;
        });

        assertThatThrownBy(() -> insert(kept.get(0), world.row("late"), "written"))
                .isInstanceOf(IllegalStateException.class);
        assertThat(world.read("late")).isEmpty();
    }
}
