package io.idempotencykey.service;

import static io.idempotencykey.RecoveryPoint.STARTED;
import static io.idempotencykey.service.Carts.DAY;
import static io.idempotencykey.service.Carts.NAME;
import static io.idempotencykey.service.Carts.failing;
import static io.idempotencykey.service.Carts.twoStages;
import static io.idempotencykey.service.World.LEASE;
import static io.idempotencykey.service.World.REQUEST;
import static io.idempotencykey.service.World.TAXED;
import static io.idempotencykey.service.World.TIME_TO_LIVE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.idempotencykey.Backlog;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyProgress;
import io.idempotencykey.KeyState;
import io.idempotencykey.Response;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.service.Carts.OutOfStock;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Queue;
import java.util.UUID;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** What an operator sees and does. */
class OperatorActionsTest {
    private enum Action {
        RETRY {
            @Override
            IdempotencyKey on(OperatorActions actions, IdempotencyKey seen) {
                return actions.retry(seen, "alice");
            }
        },
        FINISH {
            @Override
            IdempotencyKey on(OperatorActions actions, IdempotencyKey seen) {
                return actions.finish(seen, Response.of(500, "text/plain", "given up"), "alice");
            }
        },
        DISCARD {
            @Override
            IdempotencyKey on(OperatorActions actions, IdempotencyKey seen) {
                return actions.discard(seen, "alice");
            }
        };

        abstract IdempotencyKey on(OperatorActions actions, IdempotencyKey seen);
    }

    @ParameterizedTest
    @EnumSource
    void anOperatorsActionIsRecordedWithWhatStoodThereBefore(Action action) {
        World world = new World();
        Queue<KeyEvent> events = new ConcurrentLinkedQueue<>();
        IdempotencyKeyService<List<String>> service =
                world.builder(world.store).listener(events::add).build();
        world.put(State.QUARANTINED, NAME, TAXED);

        IdempotencyKey key = action.on(new OperatorActions(service), world.key());

        String name = action.name().toLowerCase(Locale.ROOT);
        assertThat(key).isEqualTo(world.key());
        assertThat(key.lastError()).startsWith(name + " by alice; before: ").contains("an earlier error");
        assertThat(events).containsExactly(new KeyEvent.Operated(key, name, "alice"));
        assertThat(events.element().level()).isEqualTo(System.Logger.Level.WARNING);
    }

    @Test
    void whoActedAndTheErrorsClassAreShownToThoseWhoMayNotSeeValues() {
        World world = new World();
        OperatorActions actions = new OperatorActions(world.service);
        Operation<List<String>> charge = world.service
                .operation("charge")
                .stage(STARTED, stage -> {
                    throw new IllegalStateException("secret; before: 4711");
                })
                .respond(TAXED, stage -> Response.of(200, new byte[0]))
                .maxAttempts(1)
                .build();
        assertThatIllegalStateException().isThrownBy(() -> world.service.run(charge, world.id, REQUEST));

        actions.retry(world.key(), "oidc: bob; ops");
        actions.retry(world.key(), "alice");
        Object shown = OperatorActions.describe(world.key(), false).get("lastError");
        actions.retry(world.key(), "a; before: b");
        Object afterAnOddName = OperatorActions.describe(world.key(), false).get("lastError");

        assertThat(shown)
                .isEqualTo("retry by alice; before: retry by oidc: bob; ops; before: java.lang.IllegalStateException");
        assertThat(afterAnOddName).isEqualTo("retry by a; before: b; before");
    }

    /** Attempts are fencing tokens towards other systems. */
    @ParameterizedTest
    @EnumSource
    void attemptsNeverGoBack(Action action) {
        World world = new World();
        long before = world.put(State.QUARANTINED).orElseThrow().key().attempts();

        assertThat(action.on(new OperatorActions(world.service), world.key()).attempts())
                .isEqualTo(before)
                .isPositive();

        if (action == Action.RETRY) {
            assertThat(world.service.lock(world.id).key().attempts()).isEqualTo(before + 1);
        }
    }

    @Test
    void aRetriedRequestGoesOnAtItsRecoveryPointWithAllItsAttempts() {
        World world = new World();
        world.put(State.QUARANTINED, NAME, TAXED);

        IdempotencyKey key = new OperatorActions(world.service).retry(world.key(), "alice");

        assertThat(key.failedAttempts()).isZero();
        assertThat(key.state()).isEqualTo(new KeyState.Open(TAXED, world.millis()));
        world.service.run(twoStages(world), world.id, REQUEST);
        assertThat(world.read("tax")).isEmpty();
        assertThat(world.read("order")).isPresent();
    }

    @Test
    void aRequestThatAnOperatorFinishedIsReplayed() {
        World world = new World();
        world.put(State.QUARANTINED, NAME, TAXED);
        Response givenUp = Response.of(500, "text/plain", "given up");

        new OperatorActions(world.service).finish(world.key(), givenUp, "alice");

        Execution execution = world.service.run(twoStages(world), world.id, REQUEST);
        assertThat(execution.replayed()).isTrue();
        assertThat(execution.response()).isEqualTo(givenUp);
        world.pass(TIME_TO_LIVE);
        assertThat(world.service.run(twoStages(world), world.id, REQUEST).replayed())
                .isFalse();
    }

    @Test
    void aDiscardedKeyCountsAsAbsent() {
        World world = new World();
        IdempotencyKey before =
                world.put(State.QUARANTINED, NAME, TAXED).orElseThrow().key();

        IdempotencyKey discarded = new OperatorActions(world.service).discard(world.key(), "alice");

        // Past for whoever reads the clock, however far behind the operator's reading that may be.
        assertThat(discarded.state())
                .isInstanceOfSatisfying(
                        KeyState.Finished.class,
                        finished -> assertThat(finished.expiresAt()).isEqualTo(Instant.EPOCH));
        assertThatExceptionOfType(IdempotencyException.NotFound.class)
                .isThrownBy(() -> world.service.retrieve(world.id));
        assertThat(world.service.run(twoStages(world), world.id, REQUEST).replayed())
                .isFalse();
        assertThat(world.key().creationId()).isNotEqualTo(before.creationId());
    }

    @ParameterizedTest
    @CsvSource({
        "RETRY, LOCKED, Locked",
        "RETRY, FINISHED, AlreadyFinished",
        "RETRY, EXPIRED, NotFound",
        "RETRY, ABSENT, NotFound",
        "FINISH, LOCKED, Locked",
        "FINISH, FINISHED, AlreadyFinished",
        "FINISH, EXPIRED, NotFound",
        "FINISH, ABSENT, NotFound",
        "DISCARD, LOCKED, Locked",
        "DISCARD, FINISHED, AlreadyFinished",
        "DISCARD, EXPIRED, NotFound",
        "DISCARD, ABSENT, NotFound"
    })
    void anOperatorCanNotTouchWhatIsHeldFinishedOrNotThere(Action action, State state, String refusal) {
        World world = new World();
        Optional<StoredKey> before = world.put(state);
        IdempotencyKey seen = before.map(StoredKey::key)
                .orElseGet(() -> new World().put(State.OPEN).orElseThrow().key());

        Throwable refused = catchThrowable(() -> action.on(new OperatorActions(world.service), seen));

        assertThat(refused.getClass().getSimpleName()).isEqualTo(refusal);
        assertThat(world.find()).isEqualTo(before);
    }

    @ParameterizedTest
    @EnumSource
    void anOperatorLosesAgainstAWorkerThatTakesTheKeyMeanwhile(Action action) {
        World world = new World();
        IdempotencyKey seen = world.put(State.OPEN).orElseThrow().key();
        List<HeldKey> held = new ArrayList<>();
        world.store.before(Call.REPLACE, () -> held.add(world.other.lock(world.id)));

        assertThatExceptionOfType(IdempotencyException.Locked.class)
                .isThrownBy(() -> action.on(new OperatorActions(world.service), seen));

        assertThat(world.other.workStage(held.get(0), world.inserting("order", World.respond())))
                .isNotNull();
        assertThat(world.read("order")).isPresent();
    }

    /** What was looked at was discarded, and another request came under its key. */
    @ParameterizedTest
    @EnumSource
    void anOperatorDoesNotActOnAnotherCreation(Action action) {
        World world = new World();
        IdempotencyKey seen = world.put(State.QUARANTINED).orElseThrow().key();
        Optional<StoredKey> anew = createdAnew(world, seen);

        assertThatExceptionOfType(IdempotencyException.StaleKey.class)
                .isThrownBy(() -> action.on(new OperatorActions(world.service), seen))
                .withMessageContaining("created anew at " + world.key().createdAt())
                .withMessageContaining("look at it again")
                .satisfies(e -> assertThat(e.keyId()).contains(world.id))
                .satisfies(e -> assertThat(e.retryAfter()).isEmpty());

        assertThat(world.find()).isEqualTo(anew);
    }

    @ParameterizedTest
    @EnumSource
    void anOperatorDoesNotActOnAnotherCreationThatComesAtTheLastMoment(Action action) {
        World world = new World();
        IdempotencyKey seen = world.put(State.QUARANTINED).orElseThrow().key();
        List<Optional<StoredKey>> anew = new ArrayList<>();
        world.store.before(Call.REPLACE, () -> anew.add(createdAnew(world, seen)));

        assertThatExceptionOfType(IdempotencyException.StaleKey.class)
                .isThrownBy(() -> action.on(new OperatorActions(world.service), seen));

        assertThat(anew).containsExactly(world.find());
    }

    private static Optional<StoredKey> createdAnew(World world, IdempotencyKey seen) {
        new OperatorActions(world.other).discard(seen, "bob");
        world.other.create(world.scope, world.id.value(), World.OTHER_REQUEST);
        return world.find();
    }

    @ParameterizedTest
    @EnumSource
    void anOperatorDoesNotActOnWhatHasGoneOnMeanwhile(Action action) {
        World world = new World();
        IdempotencyKey seen = world.put(State.OPEN).orElseThrow().key();
        HeldKey held = world.other.lock(world.id);
        world.other.unlock(World.held(world.other.update(held, StageOutcome.advanceTo(TAXED))));
        Optional<StoredKey> after = world.find();

        assertThatExceptionOfType(IdempotencyException.StaleKey.class)
                .isThrownBy(() -> action.on(new OperatorActions(world.service), seen))
                .withMessageContaining("changed at " + world.key().updatedAt())
                .withMessageContaining("open at 'tax_lines_created'");

        assertThat(world.find()).isEqualTo(after);
    }

    /** Its own change is what it would find as somebody else's. */
    @ParameterizedTest
    @EnumSource
    void anOperatorsActionWhoseAnswerWasLostIsNotTakenForAnothers(Action action) {
        World world = new World();
        IdempotencyKey seen = world.put(State.QUARANTINED).orElseThrow().key();
        world.store.next(Call.REPLACE, Fault.MADE_BUT_UNANSWERED);

        IdempotencyKey key = action.on(new OperatorActions(world.service), seen);

        assertThat(key).isEqualTo(world.key());
    }

    @Test
    void anOperatorsActionThatWasMadeBeforeAWorkerTookTheKeyIsAnUnknownOutcome() {
        World world = new World();
        IdempotencyKey seen = world.put(State.QUARANTINED).orElseThrow().key();
        world.store.next(Call.REPLACE, Fault.MADE_BUT_UNANSWERED);
        world.store.before(Call.REPLACE, () -> world.other.lock(world.id));

        assertThatExceptionOfType(IdempotencyException.OutcomeUnknown.class)
                .isThrownBy(() -> new OperatorActions(world.service).retry(seen, "alice"));
    }

    @Test
    void aKeyThatWasLookedAtElsewhereIsReadIfItIsAsItWas() {
        World world = new World();
        IdempotencyKey seen = world.put(State.QUARANTINED).orElseThrow().key();
        OperatorActions actions = new OperatorActions(world.service);

        assertThat(actions.retrieveUnchanged(world.id, seen.creationId(), seen.updatedAt()))
                .isEqualTo(seen);
        assertThatExceptionOfType(IdempotencyException.StaleKey.class)
                .isThrownBy(() -> actions.retrieveUnchanged(
                        world.id, seen.creationId(), seen.updatedAt().plusMillis(1)))
                .withMessageContaining("quarantined at 'started'");
        assertThatExceptionOfType(IdempotencyException.StaleKey.class)
                .isThrownBy(() -> actions.retrieveUnchanged(world.id, UUID.randomUUID(), seen.updatedAt()))
                .withMessageContaining("created anew");
        assertThatExceptionOfType(IdempotencyException.NotFound.class)
                .isThrownBy(() -> actions.retrieveUnchanged(world.id("another"), seen.creationId(), seen.updatedAt()));
    }

    @ParameterizedTest
    @EnumSource
    void aWorkerLosesAgainstAnOperatorWhoActsAfterItsLease(Action action) {
        World world = new World();
        HeldKey held = world.hold();
        world.pass(LEASE);
        action.on(new OperatorActions(world.other), world.key());

        assertThatExceptionOfType(IdempotencyException.StaleKey.class)
                .isThrownBy(() -> world.service.workStage(held, world.inserting("order", World.respond())));

        assertThat(world.read("order")).isEmpty();
    }

    @Test
    void theLongestQuarantinedComeFirstPageByPage() {
        World world = new World();
        for (String value : List.of("c", "a", "b")) {
            world.put(world.id(value), State.QUARANTINED, NAME, STARTED);
        }
        world.pass(Duration.ofMillis(1));
        world.put(new KeyId("", "later"), State.QUARANTINED, NAME, STARTED);
        world.put(State.OPEN);
        OperatorActions actions = new OperatorActions(world.service);

        List<IdempotencyKey> first = actions.listQuarantined(null, null, 2);
        List<IdempotencyKey> second = actions.listQuarantined(null, first.get(1), 10);

        assertThat(first).extracting(key -> key.id().value()).containsExactly("a", "b");
        assertThat(second).extracting(key -> key.id().value()).containsExactly("c", "later");
        assertThat(actions.listQuarantined(null, second.get(1), 10)).isEmpty();
    }

    @Test
    void theLongestWaitingComeFirstPageByPage() {
        World world = new World();
        for (State state : State.values()) {
            world.put(world.id(state.name()), state, "another-operation", World.UNKNOWN_POINT);
        }
        Operation<List<String>> failing = failing(world).backoff(DAY, DAY).build();
        KeyId resting = new KeyId("", "resting");
        assertThat(catchThrowable(() -> world.service.run(failing, resting, REQUEST)))
                .isInstanceOf(OutOfStock.class);
        OperatorActions actions = new OperatorActions(world.service);

        List<IdempotencyKey> first = actions.listUnfinished(null, null, 3);
        List<IdempotencyKey> second = actions.listUnfinished(null, first.get(2), 100);

        assertThat(first)
                .extracting(key -> key.id().value())
                .containsExactly(State.OPEN.name(), State.LEASE_OVER.name(), State.LOCKED.name());
        assertThat(second).extracting(IdempotencyKey::id).containsExactly(resting);
        assertThat(actions.listUnfinished(null, null, 1)).isEqualTo(first.subList(0, 1));
        assertThat(actions.listUnfinished(null, first.get(0), 1)).isEqualTo(first.subList(1, 2));
        assertThat(actions.listUnfinished(null, second.get(0), 100)).isEmpty();
        assertThat(actions.listUnfinished(null, null, 100)).hasSize(4);
    }

    @Test
    void theBacklogIsAsOfTheStoresTimeNow() {
        World world = new World();
        for (State state : State.values()) {
            world.put(world.id(state.name()), state, NAME, STARTED);
        }
        OperatorActions actions = new OperatorActions(world.service);
        Instant since = World.START.minus(State.SINCE);

        assertThat(actions.backlog()).isEqualTo(new Backlog(world.millis(), 1, Optional.of(since), 1));

        world.pass(Duration.ofMillis(1));
        assertThat(actions.backlog()).isEqualTo(new Backlog(world.millis(), 2, Optional.of(since), 1));

        world.pass(Duration.ofMillis(1));
        assertThat(actions.backlog()).isEqualTo(new Backlog(world.millis(), 3, Optional.of(since), 1));
    }

    @Test
    void theBacklogIsCountedOperationByOperationTheLongestWaitingFirst() {
        World world = new World();
        world.put(world.id("1"), State.OPEN, "pay", STARTED);
        world.put(world.id("2"), State.QUARANTINED, "pay", STARTED);
        world.put(world.id("4"), State.FINISHED, "done", STARTED);
        world.pass(Duration.ofMillis(1));
        world.put(world.id("3"), State.QUARANTINED, "", STARTED);
        world.put(world.id("5"), State.QUARANTINED, "pay", STARTED);
        world.put(world.id("6"), State.OPEN, "refund", STARTED);
        world.put(world.id("7"), State.OPEN, "ship", STARTED);
        world.pass(Duration.ofMillis(1));
        world.put(world.id("8"), State.QUARANTINED, "ship", STARTED);
        OperatorActions actions = new OperatorActions(world.service);
        Instant since = World.START.minus(State.SINCE);
        Instant later = since.plusMillis(1);

        assertThat(actions.backlogByOperation(10))
                .containsExactly(
                        new Backlog.OfOperation("pay", 1, Optional.of(since), 2, Optional.of(since)),
                        new Backlog.OfOperation("", 0, Optional.empty(), 1, Optional.of(later)),
                        new Backlog.OfOperation("refund", 1, Optional.of(later), 0, Optional.empty()),
                        new Backlog.OfOperation("ship", 1, Optional.of(later), 1, Optional.of(later.plusMillis(1))));
        assertThat(actions.time()).isEqualTo(world.millis());
    }

    @Test
    void theBacklogIsCountedAgainAfterAFailureThatPasses() {
        World world = new World();
        Queue<StoreFailure.Kind> failures = new ArrayDeque<>(
                List.of(StoreFailure.Kind.TRANSIENT, StoreFailure.Kind.BUSY, StoreFailure.Kind.UNAVAILABLE));
        Backlog counted = new Backlog(World.START, 3, Optional.of(World.START.minusMillis(1)), 2);
        OperatorActions actions = new OperatorActions(world.builder(new MapKeyStore() {
                    @Override
                    public Backlog backlog(Instant before) {
                        StoreFailure.Kind failure = failures.poll();
                        if (failure != null) {
                            throw new StoreFailure(failure, "not now", null);
                        }
                        return counted;
                    }
                })
                .build());

        assertThatExceptionOfType(IdempotencyException.StoreUnavailable.class).isThrownBy(actions::backlog);

        assertThat(failures).isEmpty();
        assertThat(actions.backlog()).isEqualTo(counted);
    }

    @Test
    void theKeysOfAScopeAreListedByThemselves() {
        World world = new World();
        for (State state : State.values()) {
            world.put(world.id(state.name()), state, NAME, STARTED);
        }
        world.put(new KeyId(world.scope + "!", "open"), State.OPEN, NAME, STARTED);
        world.put(new KeyId("", "aside"), State.QUARANTINED, NAME, STARTED);
        OperatorActions actions = new OperatorActions(world.service);

        List<IdempotencyKey> unfinished = actions.listUnfinished(world.scope, null, null, 100);

        assertThat(unfinished)
                .extracting(key -> key.id().value())
                .containsExactly(State.OPEN.name(), State.LEASE_OVER.name(), State.LOCKED.name());
        assertThat(actions.listUnfinished(world.scope, null, null, 2)).isEqualTo(unfinished.subList(0, 2));
        assertThat(actions.listUnfinished(world.scope, unfinished.get(0).id(), World.START.minus(State.SINCE), 100))
                .isEqualTo(unfinished.subList(1, 3));
        assertThat(actions.listQuarantined(world.scope, null, null, 100))
                .extracting(IdempotencyKey::id)
                .containsExactly(world.id(State.QUARANTINED.name()));
        assertThat(actions.listQuarantined("", null, null, 100)).hasSize(1);
        assertThat(actions.listUnfinished("", null, null, 100)).isEmpty();
    }

    @Test
    void aScopeThatIsNoneIsRefused() {
        OperatorActions actions = new OperatorActions(new World().service);

        for (String scope : List.of("a b", "a\u0000", "\u00e9", "\ud800", "x".repeat(KeyId.MAX_LENGTH + 1))) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> actions.listUnfinished(scope, null, null, 1))
                    .withMessageContaining("argument 'scope'");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> actions.listQuarantined(scope, null, null, 1))
                    .withMessageContaining("argument 'scope'");
        }
    }

    @Test
    void anOperatorsBadInputIsRefusedBeforeAnythingChanges() {
        World world = new World();
        Optional<StoredKey> before = world.put(State.QUARANTINED);
        OperatorActions actions = new OperatorActions(world.service);

        assertThatIllegalArgumentException().isThrownBy(() -> actions.retry(world.key(), "a\nb"));
        assertThatIllegalArgumentException().isThrownBy(() -> actions.discard(world.key(), "x".repeat(101)));
        for (String nobody : List.of("", " ")) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> actions.discard(world.key(), nobody))
                    .withMessageContaining("argument 'by'");
        }
        assertThatIllegalArgumentException().isThrownBy(() -> actions.listQuarantined(null, null, 0));
        assertThatIllegalArgumentException().isThrownBy(() -> actions.listUnfinished(null, null, 10_001));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> actions.listUnfinished(null, world.key(), 1))
                .withMessageContaining("argument 'after'");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> actions.listQuarantined(
                        null,
                        world.put(world.id("1"), State.OPEN, NAME, STARTED)
                                .orElseThrow()
                                .key(),
                        1))
                .withMessageContaining("argument 'after'");
        for (KeyId after : List.of(world.id("1"), KeyId.of("1"))) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> actions.listUnfinished(null, after, null, 1))
                    .withMessageContaining("argument 'since'");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> actions.listQuarantined("another", after, World.START, 1))
                    .withMessageContaining("argument 'after'");
            for (String never : List.of("0000-12-31T23:59:59.999Z", "+10000-01-01T00:00:00Z")) {
                assertThatIllegalArgumentException()
                        .isThrownBy(() -> actions.listUnfinished(null, after, Instant.parse(never), 1))
                        .withMessageContaining("argument 'since'");
            }
        }
        assertThatIllegalArgumentException()
                .isThrownBy(() -> actions.listUnfinished("a", null, World.START, 1))
                .withMessageContaining("argument 'since'");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> actions.retrieveUnchanged(world.key().id(), "1", "2026-01-01T00:00:00Z"))
                .withMessageContaining("argument 'creationId'");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> actions.retrieveUnchanged(
                        world.key().id(), world.key().creationId().toString(), "yesterday"))
                .withMessageContaining("argument 'updatedAt'");
        assertThatExceptionOfType(IdempotencyException.ResponseTooLarge.class)
                .isThrownBy(() -> actions.finish(
                        world.key(), Response.of(200, new byte[ServiceBuilder.DEFAULT_MAX_RESPONSE_BYTES + 1]), "a"));

        assertThatExceptionOfType(IdempotencyException.ResponseTooLarge.class)
                .isThrownBy(() -> actions.finish(world.key(), Response.of(200, "x".repeat(30_000), ""), "a"))
                .withMessageContaining("the headers of the response of key")
                .withMessageContaining("30016 bytes")
                .withMessageContaining("6144");

        assertThat(world.find()).isEqualTo(before);
    }

    /** Half a character can't be stored everywhere. */
    @Test
    void aRecordIsNotCutThroughTheMiddleOfACharacter() {
        for (String by : List.of("\ud83d\ude00".repeat(50), "x" + "\ud83d\ude00".repeat(49))) {
            World world = new World();
            world.put(State.QUARANTINED);
            OperatorActions actions = new OperatorActions(world.service);
            for (int i = 0; i < 20; i++) {
                String record = actions.retry(world.key(), by).lastError();

                assertThat(record.length()).isLessThanOrEqualTo(KeyProgress.MAX_ERROR_LENGTH);
                assertThat(StandardCharsets.UTF_8.newEncoder().canEncode(record))
                        .isTrue();
            }
            assertThat(world.key().lastError().length()).isGreaterThanOrEqualTo(KeyProgress.MAX_ERROR_LENGTH - 1);
        }
    }
}
