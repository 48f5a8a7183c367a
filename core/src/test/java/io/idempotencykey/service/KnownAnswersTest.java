package io.idempotencykey.service;

import static io.idempotencykey.RecoveryPoint.STARTED;
import static io.idempotencykey.service.Threads.await;
import static io.idempotencykey.service.Threads.elsewhere;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyProgress;
import io.idempotencykey.KeyState;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Predicate;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a service answers without asking the store, and when it asks all the same. */
class KnownAnswersTest {
    private static final KeyId ID = KeyId.of("shop", "key");
    private static final Request REQUEST = Request.of("POST", "/orders", Map.of("cart", 42));
    private static final Request OTHER_REQUEST = Request.of("POST", "/orders", Map.of("cart", 43));
    private static final Response DONE = Response.of(201, "text/plain", "done");
    private static final Response LONG = Response.of(200, new byte[2_000]);
    private static final Duration LEASE = Duration.ofMinutes(10);
    private static final Duration TIME_TO_LIVE = Duration.ofHours(1);
    private static final Duration READ_ANEW = Duration.ofSeconds(61);

    private final MapKeyStore keys = new MapKeyStore();
    private final DisturbedStore store = new DisturbedStore(keys);
    private final AtomicLong nanos = new AtomicLong(Long.MAX_VALUE - 1_000_000);
    private final Queue<KeyEvent> events = new ConcurrentLinkedQueue<>();
    private Runnable whilePausing = () -> {};

    private final IdempotencyKeyService<List<String>> service =
            builder().listener(events::add).build();
    private final IdempotencyKeyService<List<String>> another =
            builder().replayCacheBytes(0).build();

    private final AtomicInteger runs = new AtomicInteger();

    private ServiceBuilder<List<String>> builder() {
        return IdempotencyKeyService.builder(store)
                .lease(LEASE)
                .timeToLive(TIME_TO_LIVE)
                .environment(new Environment() {
                    @Override
                    public RandomGenerator random() {
                        return RandomGenerator.getDefault();
                    }

                    @Override
                    public long nanoTime() {
                        return nanos.get();
                    }

                    @Override
                    public void pause(Duration duration) {
                        pass(duration);
                        whilePausing.run();
                    }
                });
    }

    /** Time passes on every clock. */
    private void pass(Duration time) {
        keys.pass(time);
        nanos.addAndGet(time.toNanos());
    }

    /** The store's clock is set to another time, and every service has read it since. */
    private void set(Duration forward) {
        pass(READ_ANEW);
        keys.pass(forward);
        service.claim(KeyId.of("another"), REQUEST);
    }

    private Operation<List<String>> operation(boolean single, WorkStage.Answer<List<String>, Response> answer) {
        Operation.Builder<List<String>> builder = service.operation("order");
        return (single ? builder : builder.staged()).respond(STARTED, answer).build();
    }

    private Operation<List<String>> counting(boolean single) {
        return operation(single, stage -> {
            runs.incrementAndGet();
            return DONE;
        });
    }

    private Execution finish(boolean single) {
        return service.run(counting(single), ID, REQUEST);
    }

    /** Asks something on another thread while a request's stage runs. */
    private <R> R whileRunning(boolean single, Callable<R> question) {
        Queue<R> answers = new ConcurrentLinkedQueue<>();
        Operation<List<String>> asking = operation(single, stage -> {
            store.forget();
            answers.add(elsewhere(question));
            return DONE;
        });
        try {
            service.run(asking, ID, REQUEST);
        } catch (IdempotencyException.StaleKey takenOver) {
            assertThat(single).isFalse();
        }
        return answers.remove();
    }

    private List<KeyEvent.Recalled> recalled() {
        return events.stream()
                .filter(KeyEvent.Recalled.class::isInstance)
                .map(KeyEvent.Recalled.class::cast)
                .toList();
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void whatTheServiceHasFinishedItRepliesWithoutTheStore(boolean single) {
        Execution first = finish(single);
        store.forget();

        Execution second = service.run(counting(single), ID, REQUEST);

        assertThat(second).isEqualTo(new Execution(first.key(), DONE, true));
        assertThat(second.key()).isEqualTo(keys.key(ID));
        assertThat(store.calls()).isEmpty();
        assertThat(runs).hasValue(1);
        assertThat(recalled()).containsExactly(new KeyEvent.Recalled(first.key()));
        assertThat(events).contains(new KeyEvent.Replayed(first.key()));
    }

    @Test
    void aClaimOfAKnownKeyIsAReplay() {
        finish(false);
        store.forget();

        assertThat(service.claim(counting(false), ID, REQUEST)).isEqualTo(new Claim.Replay(keys.key(ID), DONE));
        assertThat(store.calls()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void anotherRequestIsRefusedByAKnownKey(boolean single) {
        finish(single);
        store.forget();

        assertThatExceptionOfType(IdempotencyException.Mismatch.class)
                .isThrownBy(() -> service.run(counting(single), ID, OTHER_REQUEST));
        assertThat(store.calls()).isEmpty();
        assertThat(recalled()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void whatAnotherProcessFinishedIsKnownOnceItIsReplayed(boolean single) {
        another.run(counting(single), ID, REQUEST);
        service.run(counting(single), ID, REQUEST);
        store.forget();

        assertThat(service.run(counting(single), ID, REQUEST).replayed()).isTrue();
        assertThat(store.calls()).isEmpty();
    }

    @Test
    void whoeverReadsAKeyIsToldByTheStore() {
        finish(false);
        store.forget();

        service.retrieve(ID);

        assertThat(store.calls()).containsExactly(Call.FIND);
    }

    @Test
    void aKeyThatAnotherThreadRunsIsInFlight() {
        Claim claim = whileRunning(false, () -> service.claim(counting(false), ID, REQUEST));

        assertThat(store.calls()).isEmpty();
        assertThat(claim).isInstanceOf(Claim.InFlight.class);
        IdempotencyKey key = ((Claim.InFlight) claim).key();
        assertThat(key.state()).isInstanceOf(KeyState.Locked.class);
        assertThat(((Claim.InFlight) claim).retryAfter()).isEqualTo(Duration.ofSeconds(1));
        assertThat(recalled()).containsExactly(new KeyEvent.Recalled(key));
    }

    @Test
    void anotherRequestIsRefusedByAKeyThatAnotherThreadRuns() {
        assertThat(whileRunning(false, () -> refusal(() -> service.run(counting(false), ID, OTHER_REQUEST))))
                .isInstanceOf(IdempotencyException.Mismatch.class);
        assertThat(store.calls()).isEmpty();
    }

    /** Of a request of one stage another process could see no more. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aRequestOfOneStageThatAnotherThreadRunsIsInFlight(boolean isAnother) {
        Request request = isAnother ? OTHER_REQUEST : REQUEST;

        assertThat(whileRunning(true, () -> refusal(() -> service.run(counting(true), ID, request))))
                .isInstanceOf(IdempotencyException.Locked.class);
        assertThat(store.calls()).isEmpty();
        assertThat(recalled()).hasSize(1);
    }

    private static Throwable refusal(Runnable call) {
        try {
            call.run();
            return new AssertionError("not refused");
        } catch (IdempotencyException e) {
            return e;
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aThreadThatAsksWithinItsOwnStageIsToldByTheStore(boolean single) {
        Operation<List<String>> nested = operation(single, stage -> {
            store.forget();
            assertThat(refusal(() -> service.run(counting(single), ID, REQUEST)))
                    .isInstanceOf(IdempotencyException.Locked.class);
            assertThat(store.calls()).isNotEmpty();
            return DONE;
        });

        assertThat(service.run(nested, ID, REQUEST).response()).isEqualTo(DONE);
        assertThat(recalled()).isEmpty();
    }

    /** Until a request of one stage has taken its key, another one may be the first. */
    @Test
    void whoOnlyAsksForAKeyHoldsNobodyOff() {
        store.before(
                Call.COMMIT_SINGLE,
                () -> assertThat(elsewhere(() -> service.run(counting(true), ID, REQUEST))
                                .replayed())
                        .isFalse());

        assertThat(service.run(counting(true), ID, REQUEST).replayed()).isTrue();
        assertThat(runs).hasValue(1);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void whoeverWaitsForAnotherThreadGetsItsAnswerWithoutTheStore(boolean single) {
        CountDownLatch runs = new CountDownLatch(1);
        CountDownLatch goesOn = new CountDownLatch(1);
        CountDownLatch ends = new CountDownLatch(1);
        Threads.start(() -> {
            service.run(
                    operation(single, stage -> {
                        runs.countDown();
                        await(goesOn);
                        return DONE;
                    }),
                    ID,
                    REQUEST);
            ends.countDown();
        });
        await(runs);
        store.forget();
        AtomicInteger pauses = new AtomicInteger();
        whilePausing = () -> {
            if (pauses.incrementAndGet() == 2) {
                goesOn.countDown();
                await(ends);
            }
        };

        Execution execution = service.run(counting(single), ID, REQUEST, Duration.ofSeconds(20));

        assertThat(execution.replayed()).isTrue();
        assertThat(execution.response()).isEqualTo(DONE);
        assertThat(recalled()).containsExactly(new KeyEvent.Recalled(execution.key()));
        assertThat(store.calls()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aStageThatHasFailedHoldsNobodyOff(boolean single) {
        assertThatExceptionOfType(Carts.OutOfStock.class)
                .isThrownBy(() -> service.run(
                        operation(single, stage -> {
                            throw new Carts.OutOfStock();
                        }),
                        ID,
                        REQUEST));

        assertThat(elsewhere(() -> finish(single)).replayed()).isFalse();
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aKeyWhoseLeaseIsOverIsLookedUp(boolean isClockSetBack) {
        Claim claim = whileRunning(false, () -> {
            set(isClockSetBack ? LEASE.negated() : LEASE);
            pass(isClockSetBack ? LEASE : Duration.ZERO);
            store.forget();
            return service.claim(counting(false), ID, REQUEST);
        });

        assertThat(store.calls()).startsWith(Call.INSERT, Call.FIND);
        assertThat(claim instanceof Claim.InFlight).isEqualTo(isClockSetBack);
    }

    @Test
    void aRequestOfOneStageWhoseLeaseIsOverIsLookedUp() {
        Throwable refusal = whileRunning(true, () -> {
            set(LEASE.negated());
            pass(LEASE);
            store.forget();
            return refusal(() -> service.run(counting(true), ID, REQUEST));
        });

        assertThat(refusal).isInstanceOf(IdempotencyException.Locked.class);
        assertThat(store.calls()).startsWith(Call.COMMIT_SINGLE);
    }

    @Test
    void theEndOfAnOvertakenWorkerEndsNobodyElses() {
        CountDownLatch isTakenOver = new CountDownLatch(1);
        CountDownLatch mayEnd = new CountDownLatch(1);
        Operation<List<String>> successor = operation(false, stage -> {
            isTakenOver.countDown();
            await(mayEnd);
            return DONE;
        });
        Operation<List<String>> overtaken = operation(false, stage -> {
            set(LEASE);
            Threads.start(() -> service.run(successor, ID, REQUEST));
            await(isTakenOver);
            return DONE;
        });
        assertThat(refusal(() -> service.run(overtaken, ID, REQUEST)))
                .isInstanceOf(IdempotencyException.StaleKey.class);
        store.forget();

        assertThat(service.claim(successor, ID, REQUEST)).isInstanceOf(Claim.InFlight.class);
        assertThat(store.calls()).isEmpty();

        mayEnd.countDown();
    }

    @Test
    void anAnswerIsForgottenAMinuteBeforeItsKeyExpires() {
        finish(true);
        pass(TIME_TO_LIVE.minus(KnownAnswers.FORGOTTEN_BEFORE_EXPIRY).minusNanos(1_000_000));
        store.forget();

        assertThat(service.run(counting(true), ID, REQUEST).replayed()).isTrue();
        assertThat(store.calls()).isEmpty();

        pass(Duration.ofMillis(1));

        assertThat(service.run(counting(true), ID, REQUEST).replayed()).isTrue();
        assertThat(store.calls()).isNotEmpty();
    }

    @Test
    void anAnswerIsForgottenAMinuteBeforeItsKeyExpiresByAClockThatWasSetForward() {
        finish(true);
        set(TIME_TO_LIVE.minus(READ_ANEW).minusSeconds(30));
        store.forget();

        assertThat(service.run(counting(true), ID, REQUEST).replayed()).isTrue();
        assertThat(store.calls()).isNotEmpty();
    }

    @Test
    void anAnswerWhoseKeyExpiresFarInTheFutureIsKept() {
        finish(true);
        StoredKey stored = keys.find(ID).orElseThrow();
        KeyState.Finished state = (KeyState.Finished) stored.key().state();
        keys.keys.put(
                ID,
                stored.with(new StoredProgress(
                        new KeyProgress(
                                new KeyState.Finished(DONE, state.finishedAt(), Instant.parse("9999-12-31T00:00:00Z")),
                                0,
                                0,
                                "",
                                stored.key().updatedAt()),
                        stored.revision())));
        IdempotencyKeyService<List<String>> third = builder().build();

        assertThat(third.run(counting(true), ID, REQUEST).replayed()).isTrue();
        store.forget();
        assertThat(third.run(counting(true), ID, REQUEST).replayed()).isTrue();
        assertThat(store.calls()).isEmpty();
    }

    @Test
    void anAnswerWhoseKeyHasExpiredByAClockThatWasSetForwardIsNotGiven() {
        finish(true);
        set(TIME_TO_LIVE);

        assertThat(service.run(counting(true), ID, REQUEST).replayed()).isFalse();
        assertThat(runs).hasValue(2);
    }

    /** Another process may have made the key anew before the clock was set back. */
    @Test
    void anAnswerIsGivenNoLongerBecauseTheClockWasSetBack() {
        finish(true);
        set(TIME_TO_LIVE.negated());
        pass(TIME_TO_LIVE);
        store.forget();

        service.run(counting(true), ID, REQUEST);

        assertThat(store.calls()).isNotEmpty();
    }

    /** The key as it was made anew has no answer, whatever the clock says later. */
    @Test
    void aKeyThatTheServiceMadeAnewHasNoAnswer() {
        finish(false);
        set(TIME_TO_LIVE);
        service.create(ID.scope(), ID.value(), REQUEST);
        set(TIME_TO_LIVE.negated());

        assertThatExceptionOfType(IdempotencyException.Mismatch.class)
                .as("it belongs to no operation")
                .isThrownBy(() -> service.claim(counting(false), ID, REQUEST));
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aServiceWithoutRoomIsToldByTheStore(boolean single) {
        Operation<List<String>> asking = operation(single, stage -> {
            store.forget();
            assertThat(elsewhere(() -> refusal(() -> another.run(counting(single), ID, REQUEST))))
                    .isInstanceOf(IdempotencyException.Locked.class);
            assertThat(store.calls()).isNotEmpty();
            return DONE;
        });
        another.run(asking, ID, REQUEST);
        store.forget();

        assertThat(another.run(counting(single), ID, REQUEST).replayed()).isTrue();
        assertThat(store.calls()).isNotEmpty();
    }

    /** A service whose room has a place for 17 long answers, and that has given so many of them. */
    private IdempotencyKeyService<List<String>> small(int answers) {
        IdempotencyKeyService<List<String>> small =
                builder().replayCacheBytes(64 * 1024).build();
        for (int i = 0; i < answers; i++) {
            small.once("order", KeyId.of("key-" + i), REQUEST, stage -> LONG);
        }
        return small;
    }

    @Test
    void theOldestAnswersGoWhenThereIsNoRoom() {
        IdempotencyKeyService<List<String>> small = small(40);
        for (int i = 39; i >= 0; i--) {
            store.forget();
            small.once("order", KeyId.of("key-" + i), REQUEST, stage -> LONG);
            assertThat(store.calls().isEmpty()).as("key-" + i).isEqualTo(i >= 40 - 17);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {16, 17})
    void anAnswerOfAnotherProcessDrivesOutOthersOnceItIsAskedForAgain(int kept) {
        IdempotencyKeyService<List<String>> small = small(kept);
        another.once("order", ID, REQUEST, stage -> LONG);
        Predicate<KeyId> isKnown = id -> {
            store.forget();
            assertThat(small.once("order", id, REQUEST, stage -> LONG).replayed())
                    .isTrue();
            return store.calls().isEmpty();
        };

        assertThat(isKnown.test(ID)).isFalse();
        assertThat(isKnown.test(KeyId.of("key-0"))).isTrue();
        assertThat(isKnown.test(ID)).as("known after once").isEqualTo(kept == 16);
        assertThat(isKnown.test(ID)).isTrue();
        assertThat(isKnown.test(KeyId.of("key-0"))).isEqualTo(kept == 16);
    }

    @Test
    void anAnswerOfAnotherProcessTakesThePlaceOfOneThatHasExpired() {
        IdempotencyKeyService<List<String>> small = small(17);
        pass(TIME_TO_LIVE);
        another.once("order", ID, REQUEST, stage -> LONG);

        assertThat(small.once("order", ID, REQUEST, stage -> LONG).replayed()).isTrue();
        store.forget();
        assertThat(small.once("order", ID, REQUEST, stage -> LONG).replayed()).isTrue();
        assertThat(store.calls()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"body", "headers", "path", "parameters"})
    void anAnswerThatWouldDriveOutMostOthersIsNotKept(String large) {
        IdempotencyKeyService<List<String>> small = small(0);
        Request request = switch (large) {
            case "path" -> Request.of("POST", "/" + "x".repeat(2_000), Map.of());
            case "parameters" -> Request.of("POST", "/", Map.of("text", "x".repeat(160)));
            default -> Request.of("POST", "/", Map.of());
        };
        Response response = switch (large) {
            case "body" -> Response.of(200, new byte[2_600]);
            case "headers" -> Response.of(200, new byte[0]).withHeader("Link", "x".repeat(160));
            default -> Response.of(200, new byte[large.equals("path") ? 600 : 0]);
        };
        small.once("order", ID, request, stage -> response);
        store.forget();

        assertThat(small.once("order", ID, request, stage -> response).response())
                .isEqualTo(response);
        assertThat(store.calls()).isNotEmpty();
    }

    @Test
    void aRoomOutOfBoundsIsRefused() {
        assertThatIllegalArgumentException().isThrownBy(() -> builder().replayCacheBytes(-1));
        assertThatIllegalArgumentException().isThrownBy(() -> builder().replayCacheBytes(1024 * 1024 * 1024 + 1));
    }
}
