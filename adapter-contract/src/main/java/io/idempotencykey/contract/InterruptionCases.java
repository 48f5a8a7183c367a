package io.idempotencykey.contract;

import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.service.Execution;
import io.idempotencykey.service.HeldKey;
import io.idempotencykey.service.Operation;
import io.idempotencykey.service.StageOutcome;
import io.idempotencykey.service.WorkStage;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** Stages whose thread is told to stop: what they leave is settled at once, and the thread is still told to stop. */
interface InterruptionCases<T> extends StoreFixture<T> {
    /**
     * What came of a call on a thread of its own.
     *
     * @param interrupted whether the thread was interrupted afterwards
     */
    record End<R>(@Nullable R result, @Nullable Throwable thrown, boolean interrupted) {
        static <R> End<R> of(Callable<R> call) {
            return Threads.elsewhere(() -> {
                try {
                    R result = call.call();
                    return new End<>(result, null, Thread.interrupted());
                } catch (Throwable e) {
                    return new End<>(null, e, Thread.interrupted());
                }
            });
        }
    }

    @Test
    default void aStageThatInterruptsItsThreadAndThrowsGivesTheKeyBackAtOnce() {
        World<T> world = new World<>(this);
        HeldKey held = world.hold();
        IllegalStateException thrown = new IllegalStateException("told to stop");

        End<?> end = End.of(() -> world.service.workStage(held, stage -> {
            world.insert(stage, "a");
            Thread.currentThread().interrupt();
            throw thrown;
        }));

        assertThat(end).isEqualTo(new End<>(null, thrown, true));
        assertThat(thrown).hasNoSuppressedExceptions();
        assertThat(world.state()).isEqualTo(new KeyState.Open(RecoveryPoint.STARTED, World.START));
        assertThat(world.read("a")).isEmpty();
        assertThat(world.other.lock(world.id).recoveryPoint()).isEqualTo(RecoveryPoint.STARTED);
    }

    @Test
    default void anOutsideCallThatInterruptsItsThreadAndThrowsGivesTheKeyBackAtOnce() {
        World<T> world = new World<>(this);
        IllegalStateException thrown = new IllegalStateException("told to stop");
        Operation<T> operation = world.service
                .operation(World.NAME)
                .respond(
                        RecoveryPoint.STARTED,
                        seen -> {
                            Thread.currentThread().interrupt();
                            throw thrown;
                        },
                        (stage, paid) -> World.RESPONSE)
                .build();

        End<?> end = End.of(() -> world.service.run(operation, world.id, World.REQUEST));

        assertThat(end).isEqualTo(new End<>(null, thrown, true));
        assertThat(thrown).hasNoSuppressedExceptions();
        assertThat(world.state()).isInstanceOf(KeyState.Open.class);
        assertThat(world.other.lock(world.id).recoveryPoint()).isEqualTo(RecoveryPoint.STARTED);
    }

    @Test
    default void aStageThatInterruptsItsThreadAndReturnsIsCommitted() {
        World<T> world = new World<>(this);
        HeldKey held = world.hold();

        End<?> end = End.of(() -> world.service.workStage(held, interrupting(world, "a", World.respond())));

        assertThat(end.thrown()).isNull();
        assertThat(end.interrupted()).isTrue();
        assertThat(world.state()).isInstanceOf(KeyState.Finished.class);
        assertThat(world.read("a")).contains("written");
    }

    @Test
    default void aStageThatInterruptsItsThreadAndAdvancesHoldsItsKey() {
        World<T> world = new World<>(this);
        HeldKey held = world.hold();

        End<HeldKey> end = End.of(() -> World.held(
                world.service.workStage(held, interrupting(world, "a", StageOutcome.advanceTo(World.TAXED)))));

        assertThat(end.interrupted()).isTrue();
        HeldKey next = Objects.requireNonNull(end.result(), "the held key");
        world.service.workStage(next, world.inserting("b", World.respond()));
        assertThat(world.read("a")).contains("written");
        assertThat(world.read("b")).contains("written");
    }

    /** Whether the next stage runs on such a thread is the store's: what it runs is committed or given back. */
    @Test
    default void aRequestWhoseThreadIsInterruptedBetweenItsStagesIsFinishedOrCanBeGoneOnWithAtOnce() {
        World<T> world = new World<>(this);
        Operation<T> operation = world.service
                .operation(World.NAME)
                .branch(RecoveryPoint.STARTED, interrupting(world, "tax", StageOutcome.advanceTo(World.TAXED)))
                .branch(World.TAXED, world.inserting("order", World.respond()))
                .build();

        End<Execution> end = End.of(() -> world.service.run(operation, world.id, World.REQUEST));

        assertThat(end.interrupted()).isTrue();
        assertThat(world.state()).isInstanceOf(end.thrown() == null ? KeyState.Finished.class : KeyState.Open.class);
        Execution next = world.other.run(operation, world.id, World.REQUEST);
        assertThat(next.response()).isEqualTo(World.RESPONSE);
        assertThat(world.read("tax")).contains("written");
        assertThat(world.read("order")).contains("written");
    }

    @Test
    default void anExceptionThatIsTheAnswerIsStoredOnAnInterruptedThread() {
        World<T> world = new World<>(this);
        Operation<T> operation = world.service
                .operation(World.NAME)
                .respond(RecoveryPoint.STARTED, stage -> {
                    Thread.currentThread().interrupt();
                    throw new ServiceCases.CartNotFound();
                })
                .answering(ServiceCases.CartNotFound.class, e -> ServiceCases.NO_SUCH_CART)
                .staged()
                .build();

        End<Execution> end = End.of(() -> world.service.run(operation, world.id, World.REQUEST));

        assertThat(end).isEqualTo(new End<>(new Execution(world.key(), ServiceCases.NO_SUCH_CART, false), null, true));
    }

    /** As a holder does in a {@code finally} block. */
    @Test
    default void aKeyIsGivenBackOnAnInterruptedThread() {
        World<T> world = new World<>(this);
        HeldKey held = world.hold();

        End<?> end = End.of(() -> {
            Thread.currentThread().interrupt();
            return world.service.unlock(held);
        });

        assertThat(end.thrown()).isNull();
        assertThat(end.interrupted()).isTrue();
        assertThat(world.other.lock(world.id).recoveryPoint()).isEqualTo(RecoveryPoint.STARTED);
    }

    /** What the holder has done by then is done, and the key says so. */
    @Test
    default void aKeyIsUpdatedOnAnInterruptedThread() {
        World<T> world = new World<>(this);
        HeldKey held = world.hold();

        End<?> end = End.of(() -> {
            Thread.currentThread().interrupt();
            return world.service.update(held, World.respond());
        });

        assertThat(end.thrown()).isNull();
        assertThat(end.interrupted()).isTrue();
        assertThat(world.state()).isInstanceOf(KeyState.Finished.class);
    }

    @Test
    default void aSingleStageThatInterruptsItsThreadAndThrowsLeavesNothingAndRunsAnewAtOnce() {
        World<T> world = new World<>(this);
        IllegalStateException thrown = new IllegalStateException("told to stop");

        End<?> end = End.of(() -> world.service.once(World.NAME, world.id, World.REQUEST, stage -> {
            world.insert(stage, "a");
            Thread.currentThread().interrupt();
            throw thrown;
        }));

        assertThat(end).isEqualTo(new End<>(null, thrown, true));
        assertThat(thrown).hasNoSuppressedExceptions();
        assertThat(world.find()).isEmpty();
        assertThat(world.read("a")).isEmpty();
        Execution next = world.other.once(World.NAME, world.id, World.REQUEST, stage -> {
            world.insert(stage, "a");
            return World.RESPONSE;
        });
        assertThat(next).isEqualTo(new Execution(world.key(), World.RESPONSE, false));
        assertThat(world.read("a")).contains("written");
    }

    @Test
    default void aSingleStageThatInterruptsItsThreadAndReturnsIsCommitted() {
        World<T> world = new World<>(this);

        End<Execution> end = End.of(() -> world.service.once(World.NAME, world.id, World.REQUEST, stage -> {
            world.insert(stage, "a");
            Thread.currentThread().interrupt();
            return World.RESPONSE;
        }));

        assertThat(end).isEqualTo(new End<>(new Execution(world.key(), World.RESPONSE, false), null, true));
        assertThat(world.read("a")).contains("written");
    }

    @Test
    default void anExceptionThatIsTheAnswerOfASingleStageIsStoredOnAnInterruptedThread() {
        World<T> world = new World<>(this);
        Operation<T> operation = world.service
                .operation(World.NAME)
                .respond(RecoveryPoint.STARTED, stage -> {
                    world.insert(stage, "a");
                    Thread.currentThread().interrupt();
                    throw new ServiceCases.CartNotFound();
                })
                .answering(ServiceCases.CartNotFound.class, e -> ServiceCases.NO_SUCH_CART)
                .build();

        End<Execution> end = End.of(() -> world.service.run(operation, world.id, World.REQUEST));

        assertThat(end).isEqualTo(new End<>(new Execution(world.key(), ServiceCases.NO_SUCH_CART, false), null, true));
        assertThat(world.read("a")).isEmpty();
    }

    /** Nobody knows what became of the commit, so the key is read. */
    @Test
    default void aCommitThatIsNotAnsweredIsLookedUpOnAnInterruptedThread() {
        World<T> world = new World<>(this);
        HeldKey held = world.hold();
        world.store.next(DisturbedStore.Fault.MADE_BUT_UNANSWERED);

        End<?> end = End.of(() -> world.service.workStage(held, interrupting(world, "a", World.respond())));

        assertThat(end.thrown()).isNull();
        assertThat(end.interrupted()).isTrue();
        assertThat(world.state()).isInstanceOf(KeyState.Finished.class);
        assertThat(world.read("a")).contains("written");
    }

    @Test
    default void aSingleStagesCommitThatIsNotAnsweredIsLookedUpOnAnInterruptedThread() {
        World<T> world = new World<>(this);
        world.store.next(DisturbedStore.Fault.MADE_BUT_UNANSWERED);

        End<Execution> end = End.of(() -> world.service.once(World.NAME, world.id, World.REQUEST, stage -> {
            world.insert(stage, "a");
            Thread.currentThread().interrupt();
            return World.RESPONSE;
        }));

        assertThat(end).isEqualTo(new End<>(new Execution(world.key(), World.RESPONSE, false), null, true));
        assertThat(world.read("a")).contains("written");
    }

    private static <T> WorkStage<T> interrupting(World<T> world, String row, StageOutcome outcome) {
        return stage -> {
            world.insert(stage, row);
            Thread.currentThread().interrupt();
            return outcome;
        };
    }
}
