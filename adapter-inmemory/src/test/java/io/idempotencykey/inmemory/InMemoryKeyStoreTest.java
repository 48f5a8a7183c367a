package io.idempotencykey.inmemory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.idempotencykey.Fingerprint;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyCreation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyProgress;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.port.KeyStore.SingleStage;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import io.idempotencykey.service.Claim;
import io.idempotencykey.service.Completer;
import io.idempotencykey.service.Environment;
import io.idempotencykey.service.Execution;
import io.idempotencykey.service.HeldKey;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import io.idempotencykey.service.StageOutcome;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is special about memory: hooks of the application and a bound on the number of keys. */
class InMemoryKeyStoreTest {
    private static final Request REQUEST = Request.of("POST", "/", Map.of());
    private static final Response DONE = Response.of(200, new byte[0]);
    private static final Duration LEASE = Duration.ofSeconds(30);
    private static final Duration TIME_TO_LIVE = Duration.ofHours(1);

    private final Hooks hooks = new Hooks();
    private volatile Instant now = Instant.parse("2026-01-01T00:00:00Z");
    private final InMemoryKeyStore<List<String>> store = new InMemoryKeyStore<>(hooks, 2, (InstantSource) () -> now);
    private final ExecutorService executor = Executors.newCachedThreadPool();

    @AfterEach
    void stop() {
        executor.shutdownNow();
    }

    @Test
    void theTimeIsMovedForwardByTenYearsAtMost() {
        store.moveTime(Duration.ofDays(3650));

        for (Duration tooFar : List.of(Duration.ofNanos(1), Duration.ofNanos(-1), Duration.ofSeconds(Long.MAX_VALUE))) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> store.moveTime(tooFar))
                    .withMessageContaining("argument 'forward'");
        }
        assertThat(store.time()).isEqualTo(now.plus(Duration.ofDays(3650)));
    }

    /** A new key has random numbers, which take longer than all else that an answer takes. */
    @Test
    void noKeyIsMadeForARequestWhoseKeyIsThere() {
        finish("finished");
        HeldKey unused = claim("held");
        AtomicInteger drawn = new AtomicInteger();
        IdempotencyKeyService<List<String>> keys = IdempotencyKeyService.builder(store)
                .replayCacheBytes(0)
                .environment(counting(drawn))
                .build();

        assertThat(keys.claim(KeyId.of("finished"), REQUEST)).isInstanceOf(Claim.Replay.class);
        assertThat(keys.claim(KeyId.of("held"), REQUEST)).isInstanceOf(Claim.InFlight.class);
        assertThat(drawn).hasValue(0);
        assertThatExceptionOfType(IdempotencyException.StoreFull.class)
                .isThrownBy(() -> keys.claim(KeyId.of("new"), REQUEST));
        assertThat(drawn).hasPositiveValue();
    }

    /** The machine's own environment, whose random numbers are counted. */
    private static Environment counting(AtomicInteger drawn) {
        Environment system = Environment.system();
        return new Environment() {
            @Override
            public RandomGenerator random() {
                drawn.incrementAndGet();
                return system.random();
            }

            @Override
            public long nanoTime() {
                return system.nanoTime();
            }

            @Override
            public void pause(Duration duration) throws InterruptedException {
                system.pause(duration);
            }
        };
    }

    @Test
    void theHandleIsCommittedWithTheKey() {
        service().workStage(claim("a"), stage -> {
            stage.transaction().add("row");
            return StageOutcome.respond(DONE);
        });

        assertThat(hooks.calls).containsExactly("begin", "commit [row]");
    }

    @Test
    void theHandleIsRolledBackWhenTheStageThrows() {
        HeldKey held = claim("a");

        assertThatExceptionOfType(IllegalStateException.class)
                .isThrownBy(() -> service().workStage(held, stage -> {
                    throw new IllegalStateException("no stock");
                }));

        assertThat(hooks.calls).containsExactly("begin", "rollback");
    }

    @Test
    void aRollbackHookThatFailsDoesNotHideWhatTheStageThrew() {
        HeldKey held = claim("a");
        AssertionError failed = new AssertionError("of the hook");
        hooks.onRollback = () -> {
            throw failed;
        };

        assertThatExceptionOfType(IllegalStateException.class)
                .isThrownBy(() -> service().workStage(held, stage -> {
                    throw new IllegalStateException("no stock");
                }))
                .satisfies(thrown -> assertThat(thrown.getSuppressed()).containsExactly(failed));

        assertThat(service().retrieve(held.id()).state()).isInstanceOf(KeyState.Open.class);
    }

    @Test
    void aTransientFailureAmongTheSuppressedHasTheStageRunAgain() {
        HeldKey held = claim("a");
        IllegalStateException wrapped = new IllegalStateException("wrapped");
        wrapped.addSuppressed(new StoreFailure(StoreFailure.Kind.TRANSIENT, "passes", null));
        AtomicInteger runs = new AtomicInteger();

        service().workStage(held, stage -> {
            if (runs.incrementAndGet() == 1) {
                throw wrapped;
            }
            return StageOutcome.respond(DONE);
        });

        assertThat(runs).hasValue(2);
    }

    @Test
    void aTransientFailureIsToldAsARollbackThatPasses() {
        HeldKey held = claim("a");
        StoreFailure passes = new StoreFailure(StoreFailure.Kind.TRANSIENT, "passes", null);

        StageCommit end =
                store.commitStage(store.find(held.id()).orElseThrow(), Isolation.SERIALIZABLE, LEASE, transaction -> {
                    throw passes;
                });

        assertThat(end).isEqualTo(StageCommit.transientlyRolledBack(passes));
    }

    @Test
    void aRollbackHookThatFailsOnAStaleStageIsTold() {
        HeldKey stale = claim("a");
        service().renew(stale);
        AssertionError failed = new AssertionError("of the hook");
        hooks.onRollback = () -> {
            throw failed;
        };

        assertThatExceptionOfType(AssertionError.class)
                .isThrownBy(() -> service().workStage(stale, stage -> StageOutcome.respond(DONE)))
                .isSameAs(failed);
    }

    @Test
    void theHandleOfAStaleStageIsRolledBack() {
        HeldKey stale = claim("a");
        service().renew(stale);

        assertThatExceptionOfType(IdempotencyException.StaleKey.class)
                .isThrownBy(() -> service().workStage(stale, stage -> StageOutcome.respond(DONE)));

        assertThat(hooks.calls).containsExactly("begin", "rollback");
    }

    @Test
    void aCommitHookThatThrowsChangesNothing() {
        HeldKey held = claim("a");
        IllegalStateException refused = new IllegalStateException("constraint");
        hooks.onCommit = rows -> {
            throw refused;
        };

        assertThatExceptionOfType(IllegalStateException.class)
                .isThrownBy(() -> service().workStage(held, stage -> StageOutcome.respond(DONE)))
                .isSameAs(refused);

        assertThat(hooks.calls).containsExactly("begin", "rollback");
        assertThat(service().retrieve(held.id()).state()).isInstanceOf(KeyState.Open.class);
    }

    @Test
    void aConflictToldByTheCommitHookIsTriedAgain() {
        HeldKey held = claim("a");
        hooks.onCommit = rows -> {
            hooks.onCommit = again -> {};
            throw new StoreFailure(StoreFailure.Kind.TRANSIENT, "conflict", null);
        };

        service().workStage(held, stage -> {
            stage.transaction().add("row");
            return StageOutcome.respond(DONE);
        });

        assertThat(hooks.calls).containsExactly("begin", "rollback", "begin", "commit [row]");
    }

    @Test
    void aBeginHookThatThrowsReleasesTheKey() {
        HeldKey held = claim("a");
        hooks.onBegin = () -> {
            throw new IllegalStateException("no connection");
        };

        assertThatExceptionOfType(IllegalStateException.class)
                .isThrownBy(() -> service().workStage(held, stage -> StageOutcome.respond(DONE)))
                .withMessage("no connection");

        assertThat(service().retrieve(held.id()).state()).isInstanceOf(KeyState.Open.class);
    }

    @Test
    void aRollbackHookThatThrowsIsReportedBesideTheCause() {
        HeldKey held = claim("a");
        IllegalStateException unclosed = new IllegalStateException("can't roll back");
        hooks.onRollback = () -> {
            throw unclosed;
        };

        assertThatExceptionOfType(IllegalArgumentException.class)
                .isThrownBy(() -> service().workStage(held, stage -> {
                    throw new IllegalArgumentException("no stock");
                }))
                .satisfies(e -> assertThat(e.getSuppressed()).contains(unclosed));
    }

    @Test
    void othersSeeTheKeyLockedWhileTheHookCommits() throws Exception {
        HeldKey held = claim("a");
        CountDownLatch committing = new CountDownLatch(1);
        CountDownLatch proceed = new CountDownLatch(1);
        hooks.onCommit = rows -> {
            committing.countDown();
            await(proceed);
        };
        Future<?> stage = executor.submit(() -> service().workStage(held, work -> StageOutcome.respond(DONE)));
        await(committing);
        now = now.plus(LEASE);

        // The lease has run out, and still no other worker gets in between the hook and the key.
        assertThat(service().claim(held.id(), REQUEST)).isInstanceOf(Claim.InFlight.class);
        assertThatExceptionOfType(IdempotencyException.Locked.class)
                .isThrownBy(() -> service().lock(held.id()));
        assertThatExceptionOfType(IdempotencyException.Locked.class)
                .isThrownBy(() -> service().unlock(held));
        assertThat(service().claim(KeyId.of("b"), REQUEST)).isInstanceOf(Claim.Claimed.class);

        proceed.countDown();
        stage.get(10, TimeUnit.SECONDS);
        assertThat(service().claim(held.id(), REQUEST)).isInstanceOf(Claim.Replay.class);
    }

    @Test
    void twoStagesOfOneHeldKeyCommitOnce() throws Exception {
        HeldKey held = claim("a");
        CountDownLatch bothAtWork = new CountDownLatch(2);
        Runnable stage = () -> service().workStage(held, work -> {
            work.transaction().add("row");
            bothAtWork.countDown();
            await(bothAtWork);
            return StageOutcome.respond(DONE);
        });

        List<Future<?>> both = List.of(executor.submit(stage), executor.submit(stage));
        int stale = 0;
        for (Future<?> each : both) {
            try {
                each.get(10, TimeUnit.SECONDS);
            } catch (java.util.concurrent.ExecutionException e) {
                assertThat(e).hasCauseInstanceOf(IdempotencyException.StaleKey.class);
                stale++;
            }
        }

        assertThat(stale).isEqualTo(1);
        assertThat(hooks.calls).containsOnlyOnce("commit [row]").contains("rollback");
    }

    // Requests of one stage

    @Test
    void theHandleOfASingleStageIsCommittedBeforeItsKeyIsStored() {
        hooks.onCommit = rows -> assertThat(store.find(KeyId.of("a"))).isEmpty();

        once("a");

        assertThat(hooks.calls).containsExactly("begin", "commit [a]");
        assertThat(store.find(KeyId.of("a"))).isPresent();
    }

    @Test
    void aCommitHookThatThrowsLeavesNoKeyOfASingleStage() {
        IllegalStateException refused = new IllegalStateException("constraint");
        hooks.onCommit = rows -> {
            throw refused;
        };

        assertThatExceptionOfType(IllegalStateException.class)
                .isThrownBy(() -> once("a"))
                .isSameAs(refused);

        assertThat(hooks.calls).containsExactly("begin", "rollback");
        assertThat(store.find(KeyId.of("a"))).isEmpty();
        hooks.onCommit = rows -> {};
        assertThat(once("a").replayed()).isFalse();
    }

    @Test
    void aBeginHookThatThrowsFreesTheKeyOfASingleStage() {
        hooks.onBegin = () -> {
            throw new IllegalStateException("no connection");
        };
        assertThatExceptionOfType(IllegalStateException.class)
                .isThrownBy(() -> once("a"))
                .withMessage("no connection");
        hooks.onBegin = () -> {};

        assertThat(once("a").replayed()).isFalse();
    }

    @Test
    void theHandleOfASingleStageThatIsFencedOffIsRolledBack() {
        StageCommit end = single(
                "a", transaction -> assertThat(store.insert(finished("a"))).isTrue());

        assertThat(end).isEqualTo(StageCommit.fencedOff());
        assertThat(hooks.calls).containsExactly("begin", "rollback");
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void nobodyGetsInBetweenASingleStagesHookAndItsKey(boolean expired) {
        StoredKey other = finished("a");
        if (expired) {
            assertThat(store.insert(finished("a"))).isTrue();
        }
        List<StoreFailure.Kind> refusals = new ArrayList<>();
        hooks.onCommit = rows -> {
            try {
                boolean unused = store.find(other.id())
                        .map(stored -> store.replace(stored.revision(), other))
                        .orElseGet(() -> store.insert(other));
            } catch (StoreFailure e) {
                refusals.add(e.kind());
            }
        };

        assertThat(single("a", transaction -> {})).isEqualTo(StageCommit.committed());

        assertThat(refusals).containsExactly(StoreFailure.Kind.BUSY);
        assertThat(store.find(other.id())).isPresent().get().isNotEqualTo(other);
    }

    @Test
    void aSingleStageIsHeldWhileAnotherOfItsKeyCommits() {
        List<StageCommit> others = new ArrayList<>();
        hooks.onCommit = rows -> {
            hooks.onCommit = again -> {};
            others.add(single("a", transaction -> {}));
            others.add(single("b", transaction -> {}));
        };

        assertThat(single("a", transaction -> {})).isEqualTo(StageCommit.committed());

        assertThat(others).containsExactly(StageCommit.held(), StageCommit.committed());
    }

    @Test
    void aSingleStageWhoseKeyChangesBeforeItIsTakenIsRefusedBeforeItsWork() {
        finish("a");
        StoredKey other = finished("a");

        StageCommit end = store.commitSingle(other, Isolation.SERIALIZABLE, LEASE, new SingleStage<>() {
            @Override
            public boolean replaces(StoredKey stored) {
                return store.replace(stored.revision(), other);
            }

            @Override
            public StoredProgress work(List<String> transaction) {
                throw new AssertionError("the work is called");
            }
        });

        assertThat(end).isEqualTo(StageCommit.fencedOff());
        assertThat(hooks.calls).isEmpty();
    }

    @Test
    void aSingleStageOfAFullStoreIsRefusedBeforeItsWork() {
        claim("a");
        claim("b");

        assertThatExceptionOfType(IdempotencyException.StoreFull.class).isThrownBy(() -> once("c"));

        assertThat(hooks.calls).isEmpty();
        assertThat(store.find(KeyId.of("c"))).isEmpty();
    }

    @Test
    void aSingleStageThatRunsHasItsKeysPlace() {
        claim("a");

        StageCommit end = single("b", transaction -> {
            assertThatExceptionOfType(IdempotencyException.StoreFull.class).isThrownBy(() -> claim("c"));
            assertThatExceptionOfType(IdempotencyException.StoreFull.class).isThrownBy(() -> once("d"));
        });

        assertThat(end).isEqualTo(StageCommit.committed());
    }

    @Test
    void aSingleStageThatFailedGivesItsKeysPlaceBack() {
        claim("a");
        StageCommit end = single("b", transaction -> {
            throw new IllegalStateException("no stock");
        });

        assertThat(end.kind()).isEqualTo(StageCommit.Kind.ROLLED_BACK);
        assertThat(once("c").replayed()).isFalse();
    }

    /** The key that is inserted meanwhile gets the place that the stage had for it. */
    @Test
    void aSingleStagesKeyCountsOnceHoweverItComesToBeStored() {
        claim("a");

        StageCommit end = single("b", transaction -> claim("b"));

        assertThat(end).isEqualTo(StageCommit.fencedOff());
    }

    @Test
    void anExpiredKeyMakesRoomForASingleStage() {
        finish("a");
        claim("b");
        now = now.plus(TIME_TO_LIVE);

        assertThat(once("c").replayed()).isFalse();

        assertThat(store.find(KeyId.of("a"))).isEmpty();
    }

    @Test
    void aSingleStageThatReplacesAnExpiredKeyNeedsNoRoom() {
        finish("a");
        claim("b");
        now = now.plus(TIME_TO_LIVE);

        assertThat(single("a", transaction -> {})).isEqualTo(StageCommit.committed());

        assertThat(store.find(KeyId.of("b"))).isPresent();
    }

    /** Its place is taken, so that its deletion would only let the stage run in vain. */
    @Test
    void theKeyThatASingleStageReplacesMakesNoRoomForOthers() {
        finish("a");
        claim("b");
        now = now.plus(TIME_TO_LIVE);

        StageCommit end = single(
                "a",
                transaction -> assertThatExceptionOfType(IdempotencyException.StoreFull.class)
                        .isThrownBy(() -> claim("c")));

        assertThat(end).isEqualTo(StageCommit.committed());
        assertThat(store.find(KeyId.of("c"))).isEmpty();
    }

    private Execution once(String value) {
        return service().once("op", KeyId.of(value), REQUEST, stage -> {
            stage.transaction().add(value);
            return DONE;
        });
    }

    /** Runs a single stage at the port, in place of whatever is stored. */
    private StageCommit single(String value, Consumer<List<String>> work) {
        StoredKey next = finished(value);
        return store.commitSingle(next, Isolation.SERIALIZABLE, LEASE, new SingleStage<>() {
            @Override
            public boolean replaces(StoredKey stored) {
                return true;
            }

            @Override
            public StoredProgress work(List<String> transaction) {
                work.accept(transaction);
                return next.progress();
            }
        });
    }

    private StoredKey finished(String value) {
        IdempotencyKey key = new IdempotencyKey(
                new KeyCreation(KeyId.of(value), UUID.randomUUID(), "op", REQUEST, Fingerprint.of("op", REQUEST), now),
                new KeyProgress(new KeyState.Finished(DONE, now, now.plus(TIME_TO_LIVE)), 1, 0, "", now));
        return new StoredKey(key, new Revision(UUID.randomUUID()));
    }

    // The bound

    @Test
    void aFullStoreRefusesNewKeysAndKeepsPromisedReplays() {
        finish("a");
        claim("b");

        assertThatExceptionOfType(IdempotencyException.StoreFull.class)
                .isThrownBy(() -> service().claim(KeyId.of("c"), REQUEST))
                .withMessageContaining("no room for key c");

        assertThat(service().claim(KeyId.of("a"), REQUEST)).isInstanceOf(Claim.Replay.class);
        assertThat(service().claim(KeyId.of("b"), REQUEST)).isInstanceOf(Claim.InFlight.class);
    }

    @Test
    void anExpiredKeyMakesRoomAtTheInstantItExpires() {
        finish("a");
        claim("b");
        now = now.plus(TIME_TO_LIVE).minusMillis(1);
        assertThatExceptionOfType(IdempotencyException.StoreFull.class)
                .isThrownBy(() -> service().claim(KeyId.of("c"), REQUEST));

        now = now.plusMillis(1);

        assertThat(service().claim(KeyId.of("c"), REQUEST)).isInstanceOf(Claim.Claimed.class);
        assertThatExceptionOfType(IdempotencyException.NotFound.class)
                .isThrownBy(() -> service().retrieve(KeyId.of("a")));
    }

    @Test
    void unfinishedKeysNeverMakeRoom() {
        claim("a");
        service().unlock(claim("b"));
        now = now.plus(Duration.ofDays(10_000));

        assertThatExceptionOfType(IdempotencyException.StoreFull.class)
                .isThrownBy(() -> service().claim(KeyId.of("c"), REQUEST));
    }

    @Test
    void aStoreWithoutHooksKeepsWhatStagesWrite() {
        List<String> rows = new ArrayList<>();
        IdempotencyKeyService<List<String>> simple =
                new IdempotencyKeyService<>(InMemoryKeyStore.withoutRollback(() -> rows));
        simple.create("", "a", REQUEST);

        simple.workStage(simple.lock(KeyId.of("a")), stage -> {
            stage.transaction().add("row");
            return StageOutcome.advanceTo(RecoveryPoint.named("next"));
        });

        assertThat(rows).containsExactly("row");
    }

    @ParameterizedTest
    @ValueSource(ints = {0, -1, Integer.MIN_VALUE})
    void aBoundBelowOneIsRefused(int bound) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new InMemoryKeyStore<>(hooks, bound, InstantSource.system()))
                .withMessage("argument 'maxKeys' is '" + bound + "'; allowed: 1 or more");
    }

    @Test
    void aRequestThatCanNotBeReadIsQuarantined() {
        StoredKey stored = store.find(claim("a").id()).orElseThrow();
        IdempotencyKey key = stored.key();
        IdempotencyKey unreadable = new IdempotencyKey(
                new KeyCreation(
                        key.id(),
                        key.creationId(),
                        "op",
                        Request.restored("POST", "/", "{garbled", true),
                        key.fingerprint(),
                        key.createdAt()),
                new KeyProgress(key.state(), key.attempts(), key.failedAttempts(), key.lastError(), key.updatedAt()));
        assertThat(store.replace(stored.revision(), new StoredKey(unreadable, stored.revision())))
                .isTrue();
        now = now.plus(Duration.ofHours(1));
        Operation<List<String>> operation = service()
                .operation("op")
                .branch(RecoveryPoint.STARTED, stage -> StageOutcome.respond(DONE))
                .build();

        assertThat(Completer.builder(service()).operation(operation).build().runOnce())
                .isZero();

        assertThat(service().retrieve(key.id()).state())
                .isInstanceOfSatisfying(
                        KeyState.Quarantined.class,
                        state -> assertThat(state.reason()).isEqualTo("the stored request can't be read"));
    }

    @Test
    void aStoreOfOneKeyKeepsOne() {
        InMemoryKeyStore<List<String>> small = new InMemoryKeyStore<>(hooks, 1, (InstantSource) () -> now);
        IdempotencyKeyService<List<String>> service =
                IdempotencyKeyService.builder(small).build();

        service.claim(KeyId.of("a"), REQUEST);

        assertThatExceptionOfType(IdempotencyException.StoreFull.class)
                .isThrownBy(() -> service.claim(KeyId.of("b"), REQUEST));
    }

    /** A new service each time, so that no reading of the clock is carried on. */
    private IdempotencyKeyService<List<String>> service() {
        return IdempotencyKeyService.builder(store)
                .lease(LEASE)
                .timeToLive(TIME_TO_LIVE)
                .build();
    }

    private HeldKey claim(String value) {
        return ((Claim.Claimed) service().claim(KeyId.of(value), REQUEST)).key();
    }

    private void finish(String value) {
        service().update(claim(value), StageOutcome.respond(DONE));
    }

    private static void await(CountDownLatch latch) {
        try {
            if (!latch.await(60, TimeUnit.SECONDS)) {
                throw new AssertionError("waited too long");
            }
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private static final class Hooks implements InMemoryTransactions<List<String>> {
        final List<String> calls = java.util.Collections.synchronizedList(new ArrayList<>());
        volatile Runnable onBegin = () -> {};
        volatile Consumer<List<String>> onCommit = rows -> {};
        volatile Runnable onRollback = () -> {};

        @Override
        public List<String> begin() {
            onBegin.run();
            calls.add("begin");
            return new ArrayList<>();
        }

        @Override
        public void commit(List<String> transaction) {
            onCommit.accept(transaction);
            calls.add("commit " + transaction);
        }

        @Override
        public void rollback(List<String> transaction) {
            calls.add("rollback");
            onRollback.run();
        }
    }
}
