package io.idempotencykey.service;

import static io.idempotencykey.service.World.isReplay;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Response;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** One stage: committed together with its key, rolled back with it, or fenced off. */
class StageTest {
    /** Its process is about to stop, which says nothing about the request. */
    @Test
    void aStageByHandThatIsInterruptedGivesTheKeyBackAndCountsNoFailure() {
        World world = new World();
        HeldKey held = world.hold();

        Throwable thrown = catchThrowable(() -> world.service.workStage(held, stage -> {
            throw new InterruptedException();
        }));

        assertThat(Thread.interrupted()).isTrue();
        assertThat(thrown).isInstanceOf(InterruptedException.class);
        assertThat(world.state()).isEqualTo(new KeyState.Open(RecoveryPoint.STARTED, World.START));
        assertThat(world.key().failedAttempts()).isZero();
        assertThat(world.key().lastError()).isEmpty();
    }

    @Test
    void aBodyOneByteLongerThanWhatIsAllowedIsRefused() {
        for (int bytes : new int[] {5, 6}) {
            World world = new World();
            IdempotencyKeyService<List<String>> service =
                    world.builder(world.store).maxResponseBytes(5).build();
            HeldKey held = world.hold();
            Response response = Response.of(200, new byte[bytes]);

            Throwable thrown =
                    catchThrowable(() -> service.workStage(held, world.inserting("a", StageOutcome.respond(response))));

            assertThat(thrown == null).isEqualTo(bytes == 5);
            assertThat(world.read("a").isPresent()).isEqualTo(bytes == 5);
            if (thrown != null) {
                assertThat(thrown).isInstanceOf(IdempotencyException.ResponseTooLarge.class);
            }
        }
    }

    @Test
    void aStageThatAdvancesCommitsWithTheKeyAndHoldsItForTheNextStage() {
        World world = new World();
        world.put(State.OPEN);
        HeldKey held = world.service.lock(world.id);
        world.pass(Duration.ofSeconds(3));

        HeldKey next =
                World.held(world.service.workStage(held, world.inserting("a", StageOutcome.advanceTo(World.TAXED))));

        assertThat(world.read("a")).contains("written");
        assertThat(world.key()).isEqualTo(next.key());
        assertThat(world.state())
                .isEqualTo(new KeyState.Locked(World.TAXED, World.START.plusSeconds(3), World.START.plusSeconds(33)));
        assertThat(next.key().attempts()).isEqualTo(4);
        assertThat(next.key().failedAttempts()).isZero();
        assertThat(next.key().lastError()).isEmpty();
        assertThat(world.stageRuns()).isEqualTo(1);
    }

    @Test
    void aStageSeesItsKeyAndItsRequest() {
        World world = new World();
        HeldKey held = world.hold();

        world.service.workStage(held, stage -> {
            assertThat(stage.key()).isEqualTo(held.key());
            assertThat(stage.request()).isEqualTo(World.REQUEST);
            return World.respond();
        });

        assertThat(world.key().recoveryPoint()).isEqualTo(RecoveryPoint.FINISHED);
    }

    @Test
    void aStageThatThrowsLeavesNothingBehindAndGivesTheKeyBack() {
        World world = new World();
        world.put(State.OPEN, "", World.TAXED);
        HeldKey held = world.service.lock(world.id);
        world.pass(Duration.ofSeconds(3));
        IllegalStateException thrown = new IllegalStateException("no such cart");

        assertThatThrownBy(() -> world.service.workStage(held, stage -> {
                    world.insert(stage, "a");
                    throw thrown;
                }))
                .isSameAs(thrown);

        assertThat(world.read("a")).isEmpty();
        assertThat(world.state()).isEqualTo(new KeyState.Open(World.TAXED, World.START.plusSeconds(3)));
        assertThat(world.key().attempts()).isEqualTo(4);
        assertThat(world.key().failedAttempts()).isEqualTo(2);
        assertThat(world.key().lastError()).isEqualTo("java.lang.IllegalStateException: no such cart");
        assertThat(world.other.lock(world.id).recoveryPoint()).isEqualTo(World.TAXED);
    }

    @ParameterizedTest
    @MethodSource("thrown")
    void whateverAStageThrowsReachesTheCallerAsItIs(Throwable thrown) {
        World world = new World();
        HeldKey held = world.hold();

        assertThatThrownBy(() -> world.service.workStage(held, stage -> {
                    throw World.<RuntimeException>asItIs(thrown);
                }))
                .isSameAs(thrown);

        assertThat(world.state()).isEqualTo(new KeyState.Open(RecoveryPoint.STARTED, World.START));
    }

    /** Text that some stores can't keep, in the place where nobody looks after it. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "a\u0000b",
                "a\nb\tc\u0085",
                "half a pair: \ud83d",
                "\ud83d\ude00",
                "'; drop table keys; --",
            })
    void whateverAStagesErrorSaysTheKeyIsGivenBack(String message) {
        World world = new World();
        HeldKey held = world.hold();

        for (String text : List.of(message, message + "x".repeat(100_000), "x".repeat(968) + message)) {
            IllegalStateException thrown = new IllegalStateException(text);
            HeldKey mine = text.equals(message) ? held : world.service.lock(world.id);
            assertThatThrownBy(() -> world.service.workStage(mine, stage -> {
                        throw thrown;
                    }))
                    .isSameAs(thrown)
                    .hasNoSuppressedExceptions();
        }

        assertThat(world.state()).isEqualTo(new KeyState.Open(RecoveryPoint.STARTED, World.START));
        assertThat(world.key().lastError())
                .startsWith("java.lang.IllegalStateException")
                .hasSizeLessThan(1_001);
        assertThat(world.key().failedAttempts()).isEqualTo(3);
    }

    @Test
    void failedAttemptsAreCountedSinceTheLastCommittedStage() {
        World world = new World();
        HeldKey first = world.hold();
        assertThatThrownBy(() -> world.service.workStage(first, failing("1"))).hasMessage("1");
        HeldKey second = world.service.lock(world.id);
        assertThatThrownBy(() -> world.service.workStage(second, failing("2"))).hasMessage("2");
        assertThat(world.key().failedAttempts()).isEqualTo(2);
        assertThat(world.key().lastError()).endsWith(": 2");

        HeldKey third = World.held(world.service.workStage(
                world.service.lock(world.id), world.inserting("a", StageOutcome.advanceTo(World.TAXED))));
        assertThat(world.key().failedAttempts()).isZero();
        assertThatThrownBy(() -> world.service.workStage(third, failing("3"))).hasMessage("3");

        assertThat(world.key().failedAttempts()).isEqualTo(1);
        assertThat(world.key().attempts()).isEqualTo(3);
    }

    @Test
    void aStageThatReturnsNothingIsRolledBackAndTold() {
        World world = new World();
        HeldKey held = world.hold();

        assertThatExceptionOfType(NullPointerException.class)
                .isThrownBy(() -> world.service.workStage(held, returningNull(world)))
                .withMessageContaining("returned null");

        assertThat(world.read("a")).isEmpty();
        assertThat(world.state()).isEqualTo(new KeyState.Open(RecoveryPoint.STARTED, World.START));
    }

    @SuppressWarnings("NullAway") // As a caller does that has no such checks.
    private WorkStage<List<String>> returningNull(World world) {
        return stage -> {
            world.insert(stage, "a");
            return null;
        };
    }

    @Test
    void aResponseAtTheLimitIsStored() {
        World world = new World();
        Response longest = Response.of(200, new byte[ServiceBuilder.DEFAULT_MAX_RESPONSE_BYTES]);

        world.service.workStage(world.hold(), world.inserting("a", StageOutcome.respond(longest)));

        assertThat(world.read("a")).contains("written");
        assertThat(world.key().recoveryPoint()).isEqualTo(RecoveryPoint.FINISHED);
    }

    @Test
    void aResponseOneByteOverTheLimitRollsTheStageBack() {
        World world = new World();
        Response tooLong = Response.of(200, new byte[ServiceBuilder.DEFAULT_MAX_RESPONSE_BYTES + 1]);
        HeldKey held = world.hold();

        assertThatExceptionOfType(IdempotencyException.ResponseTooLarge.class)
                .isThrownBy(() -> world.service.workStage(held, world.inserting("a", StageOutcome.respond(tooLong))))
                .satisfies(e -> assertThat(e.httpStatus()).isEqualTo(500));

        assertThat(world.read("a")).isEmpty();
        assertThat(world.state()).isEqualTo(new KeyState.Open(RecoveryPoint.STARTED, World.START));
    }

    /** Common servers have 8 KiB for the headers of a response, and add some of their own. */
    @Test
    void headersThatNoServerCouldSendRollTheStageBack() {
        World world = new World();
        Response longest = Response.of(200, new byte[0])
                .withHeader("A", "v".repeat(3_072 - 5))
                .withHeader("A", "v".repeat(3_072 - 5));
        Response tooLong = Response.of(200, new byte[0])
                .withHeader("A", "v".repeat(3_072 - 5))
                .withHeader("B", "v".repeat(3_072 - 4));
        HeldKey held = world.hold();

        assertThatExceptionOfType(IdempotencyException.ResponseTooLarge.class)
                .isThrownBy(() -> world.service.workStage(held, world.inserting("a", StageOutcome.respond(tooLong))))
                .withMessageContaining("headers")
                .satisfies(e -> assertThat(e.length()).isEqualTo(6_145))
                .satisfies(e -> assertThat(e.limit()).isEqualTo(ServiceBuilder.DEFAULT_MAX_HEADER_BYTES));
        assertThat(world.read("a")).isEmpty();

        world.service.workStage(world.service.lock(world.id), world.inserting("a", StageOutcome.respond(longest)));
        assertThat(world.key().recoveryPoint()).isEqualTo(RecoveryPoint.FINISHED);
    }

    @Test
    void theLongestHeadersThatAResponseCanHoldAreStoredIfTheServiceIsToldTo() {
        World world = new World();
        Response longest = Response.of(200, new byte[0]).withHeader("A", "v".repeat(65_535));
        IdempotencyKeyService<List<String>> wide =
                world.builder(world.store).maxHeaderBytes(65_540).build();
        IdempotencyKeyService<List<String>> narrow =
                world.builder(world.store).maxHeaderBytes(65_539).build();

        assertThatExceptionOfType(IdempotencyException.ResponseTooLarge.class)
                .isThrownBy(() -> narrow.once("op", world.id, World.REQUEST, stage -> longest));
        assertThat(wide.once("op", world.id, World.REQUEST, stage -> longest).response())
                .isEqualTo(longest);
        // What is stored is replayed, whatever the limit is by then.
        assertThat(narrow.once("op", world.id, World.REQUEST, stage -> longest).response())
                .isEqualTo(longest);
    }

    @Test
    void aLimitOfHeadersOutOfBoundsIsRefused() {
        ServiceBuilder<List<String>> builder = IdempotencyKeyService.builder(new MapKeyStore());

        assertThatIllegalArgumentException().isThrownBy(() -> builder.maxHeaderBytes(-1));
        assertThatIllegalArgumentException().isThrownBy(() -> builder.maxHeaderBytes(327_681));
    }

    @Test
    void aStageWhoseLeaseRanOutBeforeItCommitsWhileNobodyTookOver() {
        World world = new World();
        HeldKey held = world.hold();
        world.pass(World.LEASE.multipliedBy(2));

        world.service.workStage(held, world.inserting("a", World.respond()));

        assertThat(world.read("a")).contains("written");
        assertThat(world.key().recoveryPoint()).isEqualTo(RecoveryPoint.FINISHED);
    }

    @Test
    void aStageWhoseLeaseRunsOutMeanwhileCommitsWhileNobodyTookOver() {
        World world = new World();

        world.service.workStage(world.hold(), stage -> {
            world.insert(stage, "a");
            world.pass(World.LEASE.multipliedBy(2));
            return World.respond();
        });

        assertThat(world.read("a")).contains("written");
        assertThat(world.key().recoveryPoint()).isEqualTo(RecoveryPoint.FINISHED);
    }

    @Test
    void aZombieThatWakesAfterATakeoverIsFencedOff() {
        World world = new World();

        assertThatExceptionOfType(IdempotencyException.StaleKey.class)
                .isThrownBy(() -> world.service.workStage(world.hold(), stage -> {
                    world.insert(stage, "zombie");
                    world.pass(World.LEASE);
                    Threads.elsewhere(() ->
                            world.other.workStage(world.other.lock(world.id), world.inserting("a", World.respond())));
                    return StageOutcome.respond(Response.of(500, new byte[0]));
                }));

        assertThat(world.read("zombie")).isEmpty();
        assertThat(world.read("a")).contains("written");
        assertThat(isReplay(world.service.claim(world.id, World.REQUEST))).isTrue();
    }

    @Test
    void aZombieThatFailsAfterATakeoverDoesNotReleaseTheKeyOfAnother() {
        World world = new World();
        IllegalStateException thrown = new IllegalStateException("thrown by the zombie");

        assertThatThrownBy(() -> world.service.workStage(world.hold(), stage -> {
                    world.pass(World.LEASE);
                    Threads.elsewhere(() -> world.other.lock(world.id));
                    throw thrown;
                }))
                .isSameAs(thrown);

        assertThat(world.state())
                .isEqualTo(new KeyState.Locked(
                        RecoveryPoint.STARTED,
                        World.START.plus(World.LEASE),
                        World.START.plus(World.LEASE.multipliedBy(3))));
        assertThat(world.key().failedAttempts()).isZero();
    }

    @Test
    void aZombieOfAKeyThatWasCreatedAnewIsFencedOff() {
        World world = new World();

        assertThatExceptionOfType(IdempotencyException.StaleKey.class)
                .isThrownBy(() -> world.service.workStage(world.hold(), stage -> {
                    world.insert(stage, "zombie");
                    world.pass(World.LEASE);
                    Threads.elsewhere(() -> world.other.update(world.other.lock(world.id), World.respond()));
                    world.pass(World.TIME_TO_LIVE);
                    Threads.elsewhere(() -> world.other.claim(world.id, World.OTHER_REQUEST));
                    return World.respond();
                }));

        assertThat(world.read("zombie")).isEmpty();
        assertThat(world.key().request()).isEqualTo(World.OTHER_REQUEST);
        assertThat(world.key().recoveryPoint()).isEqualTo(RecoveryPoint.STARTED);
    }

    @Test
    void anIsolationThatTheStoreDoesNotHaveIsRefusedBeforeAnythingRuns() {
        World world = new World();
        HeldKey held = world.hold();
        world.store.allow(EnumSet.of(Isolation.READ_COMMITTED));
        world.store.forget();

        assertThatIllegalArgumentException()
                .isThrownBy(() ->
                        world.service.workStage(held, Isolation.SERIALIZABLE, world.inserting("a", World.respond())))
                .withMessageContaining("SERIALIZABLE");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> world.builder(world.store).isolation(Isolation.SNAPSHOT));

        assertThat(world.store.calls()).isEmpty();
        assertThat(world.stageRuns()).isZero();
        assertThat(world.key()).isEqualTo(held.key());
    }

    @Test
    void aStageHasTheStrongestIsolationUnlessItAsksForAnother() {
        World world = new World();
        Isolation weakest = Collections.min(world.store.isolations());

        HeldKey next = World.held(
                world.service.workStage(world.hold(), world.inserting("a", StageOutcome.advanceTo(World.TAXED))));
        assertThat(world.store.isolation()).isEqualTo(Collections.max(world.store.isolations()));
        world.service.workStage(next, weakest, world.inserting("b", World.respond()));

        assertThat(world.store.isolation()).isEqualTo(weakest);
        assertThat(world.read("b")).contains("written");
    }

    @Test
    void aTransactionMayLiveAsLongAsTheLeaseAndAtLeastASecond() {
        World world = new World();
        HeldKey held = world.hold();
        world.pass(Duration.ofSeconds(20));

        HeldKey next =
                World.held(world.service.workStage(held, world.inserting("a", StageOutcome.advanceTo(World.TAXED))));
        assertThat(world.store.lease()).isEqualTo(Duration.ofSeconds(10));
        world.pass(World.LEASE.multipliedBy(2));
        world.service.workStage(next, world.inserting("b", World.respond()));

        assertThat(world.store.lease()).isEqualTo(Duration.ofSeconds(1));
    }

    @Test
    void aStagesContextHandsOutNoTransactionAfterTheStage() {
        World world = new World();
        List<StageContext<List<String>>> kept = new ArrayList<>();

        world.service.once("keep", world.id, World.REQUEST, stage -> {
            kept.add(stage);
            world.insert(stage, "a");
            return World.RESPONSE;
        });

        assertThatThrownBy(() -> world.insert(kept.get(0), "late")).isInstanceOf(IllegalStateException.class);
        assertThat(world.read("late")).isEmpty();
    }

    static WorkStage<List<String>> failing(String message) {
        return stage -> {
            throw new IllegalStateException(message);
        };
    }

    /** What a stage may throw, checked exceptions of a careless caller among it. */
    static Stream<Named<Throwable>> thrown() {
        return Stream.of(
                Named.of("an exception", new IllegalStateException("thrown by the stage")),
                Named.of("a checked exception", new IOException("thrown by the stage")),
                Named.of("an error", new AssertionError("thrown by the stage")),
                Named.of("a circle of causes", circle()),
                Named.of("an exception without a message to be had", new Unspeakable()));
    }

    private static Throwable circle() {
        Throwable one = new IllegalStateException("thrown by the stage");
        return one.initCause(new IllegalStateException("its cause, and the other way round", one));
    }

    private static final class Unspeakable extends RuntimeException {
        private static final long serialVersionUID = 1L;

        @Override
        public String getMessage() {
            throw new IllegalStateException("no message");
        }
    }
}
