package io.idempotencykey.inmemory;

import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.Backlog;
import io.idempotencykey.Fingerprint;
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
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntPredicate;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;

/** What holds for all keys together, whichever part of the store each of them is in. */
class PartsTest {
    private static final Instant NOW = Instant.parse("2026-01-01T00:00:00Z");
    private static final Request REQUEST = Request.of("POST", "/", Map.of());
    private static final Response DONE = Response.of(200, new byte[0]);
    private static final Duration LEASE = Duration.ofSeconds(30);
    private static final KeyState UNFINISHED = new KeyState.Open(RecoveryPoint.STARTED, NOW);
    private static final int THREADS = 4;

    /** Numbers from 0 on, in an order of their own; so many that each part has several. */
    private static final List<Integer> SHUFFLED =
            IntStream.range(0, 101).mapToObj(i -> i * 37 % 101).toList();

    private final InMemoryKeyStore<Object> store = of(SHUFFLED.size());
    /** What the application does in between, in the tests that call it. */
    private Runnable meanwhile = () -> {};

    private final ExecutorService executor = Executors.newFixedThreadPool(THREADS);

    @AfterEach
    void stop() {
        executor.shutdownNow();
    }

    // Listed

    @Test
    void theLongestWaitingOfAllPartsAreResumedFirst() {
        SHUFFLED.forEach(i -> insert("a", i, resumable(NOW.minusMillis(200 - i))));

        assertThat(resumed(null, 10)).containsExactlyElementsOf(values(0, 10));
        assertThat(resumed(null, 1_000)).containsExactlyElementsOf(values(0, 101));
    }

    @Test
    void theFirstScopeOfAllPartsIsResumedFirst() {
        SHUFFLED.forEach(i -> insert("scope-" + (i / 10 + 10), i, resumable(NOW.minusMillis(200 - i))));

        assertThat(resumed(null, 1_000)).containsExactlyElementsOf(values(0, 10));
        for (int scope = 10; scope < 20; scope++) {
            int first = (scope - 9) * 10;
            assertThat(resumed("scope-" + scope, 1_000))
                    .containsExactlyElementsOf(values(first, Math.min(first + 10, 101)));
        }
        assertThat(resumed("scope-20", 1_000)).isEmpty();
    }

    @Test
    void aScopeIsPassedOverIfNoneOfItsKeysIsDueYet() {
        SHUFFLED.forEach(i -> insert(i < 100 ? "a" : "b", i, resumable(i < 100 ? NOW : NOW.minusMillis(1))));

        assertThat(resumed(null, 1_000)).containsExactly(100);
    }

    @Test
    void theQuarantinedOfAllPartsAreFoundPageByPage() {
        KeyState aside = new KeyState.Quarantined(RecoveryPoint.STARTED, NOW, "reason");
        SHUFFLED.forEach(i -> insert("a", i, aside));

        assertThat(values(store.findQuarantined(null, null, NOW, 1_000))).containsExactlyElementsOf(values(0, 101));
        assertThat(values(store.findQuarantined(null, id("a", 49), NOW, 10))).containsExactlyElementsOf(values(50, 60));
    }

    @Test
    void theBacklogIsThatOfAllParts() {
        SHUFFLED.forEach(i -> insert("scope-" + i % 3, i, resumable(NOW.minusMillis(i))));

        assertThat(store.backlog(NOW)).isEqualTo(new Backlog(NOW, 100, Optional.of(NOW.minusMillis(100)), 0));
    }

    @Test
    void theFirstOfAllPartsToExpireAreDeletedFirst() {
        SHUFFLED.forEach(i -> insert("a", i, finished(NOW.minusMillis(100 - i))));

        assertThat(store.deleteExpired(NOW, 10)).isEqualTo(10);

        assertThat(stored(store)).containsExactlyElementsOf(values(10, 101));
    }

    /** So many that each part lists some of them before it is asked, while their states still change. */
    @Test
    void everyKeyOfManyIsListedAsItsLastStateSays() {
        InMemoryKeyStore<Object> large = of(2_000);
        List<StoredKey> keys = IntStream.range(0, 2_000)
                .mapToObj(i -> insert(large, "a", i, resumable(NOW.minusMillis(1))))
                .toList();
        // Each third stays resumable, is finished, or is put aside and then finished.
        for (int i = 0; i < keys.size(); i++) {
            StoredKey key = keys.get(i);
            if (i % 3 == 2) {
                StoredKey aside = with(key, new KeyState.Quarantined(RecoveryPoint.STARTED, NOW, "reason"));
                assertThat(large.replace(key.revision(), aside)).isTrue();
                key = aside;
            }
            if (i % 3 != 0) {
                assertThat(large.replace(key.revision(), with(key, finished(NOW))))
                        .isTrue();
            }
        }

        assertThat(values(large.findResumable(Map.of(), null, NOW, 2_000)))
                .containsExactlyInAnyOrderElementsOf(IntStream.range(0, 2_000)
                        .filter(i -> i % 3 == 0)
                        .boxed()
                        .toList());
        assertThat(large.findQuarantined(null, null, NOW, 1)).isEmpty();
        assertThat(large.backlog(NOW)).isEqualTo(new Backlog(NOW, 667, Optional.of(NOW.minusMillis(1)), 0));
        assertThat(large.deleteExpired(NOW, 2_000)).isEqualTo(1_333);
        assertThat(large.deleteExpired(NOW, 2_000)).isZero();
    }

    @Test
    void aKeyIsListedAsItsLastStateSays() {
        StoredKey key = insert("a", 1, resumable(NOW.minusMillis(2)));
        StoredKey later = with(key, resumable(NOW.minusMillis(1)));
        StoredKey sameInstant = with(key, resumable(NOW.minusMillis(1)));
        StoredKey aside = with(key, new KeyState.Quarantined(RecoveryPoint.STARTED, NOW, "reason"));
        StoredKey done = with(key, finished(NOW));

        assertThat(store.replace(key.revision(), later)).isTrue();
        assertThat(store.replace(later.revision(), sameInstant)).isTrue();
        assertThat(store.backlog(NOW)).isEqualTo(new Backlog(NOW, 1, Optional.of(NOW.minusMillis(1)), 0));
        assertThat(store.findResumable(Map.of(), null, NOW, 9)).containsExactly(sameInstant);

        assertThat(store.replace(sameInstant.revision(), aside)).isTrue();
        assertThat(store.backlog(NOW)).isEqualTo(new Backlog(NOW, 0, Optional.empty(), 1));

        assertThat(store.replace(aside.revision(), done)).isTrue();
        assertThat(store.backlog(NOW)).isEqualTo(new Backlog(NOW, 0, Optional.empty(), 0));
        assertThat(store.deleteExpired(NOW, 9)).isEqualTo(1);
    }

    // At once

    @Test
    void keysThatComeAtOnceAreAllStoredAndListed() throws Exception {
        InMemoryKeyStore<Object> large = of(20_000);

        assertThat(atOnce(i -> large.insert(key(id("a", i), UNFINISHED)), 20_000))
                .isEqualTo(20_000);

        assertThat(IntStream.range(0, 20_000))
                .allMatch(i -> large.find(id("a", i)).isPresent());
        assertThat(values(large.findResumable(Map.of(), null, NOW.plusMillis(1), 20_000)))
                .hasSize(20_000);
    }

    /** Who sees a key sees all that came before it. */
    @Test
    void aListingSeesAllPartsAtOneMoment() throws Exception {
        InMemoryKeyStore<Object> large = of(5_000);
        Future<?> writer = executor.submit(() ->
                IntStream.range(0, 5_000).forEach(i -> insert(large, "a", i, resumable(NOW.minusMillis(5_000 - i)))));

        while (!writer.isDone()) {
            List<Integer> seen = values(large.findResumable(Map.of(), null, NOW, 5_000));
            assertThat(seen).isEqualTo(values(0, seen.size()));
        }

        writer.get(60, TimeUnit.SECONDS);
        assertThat(large.backlog(NOW).waiting()).isEqualTo(5_000);
    }

    /** Also who reads a single key, without a lock. */
    @Test
    void whoFindsOneKeyOfABatchDeletedFindsNoneOfIt() throws Exception {
        int batch = 50;
        InMemoryKeyStore<Object> large = of(20_000);
        IntStream.range(0, 20_000).forEach(i -> insert(large, "a", i, finished(NOW.minusMillis(20_000 - i))));
        Future<?> deleting = executor.submit(() -> IntStream.range(0, 20_000 / batch)
                .forEach(i -> assertThat(large.deleteExpired(NOW, batch)).isEqualTo(batch)));

        int next = 0;
        while (next < 20_000) {
            boolean isOver = deleting.isDone();
            if (large.find(id("a", next)).isEmpty()) {
                assertThat(large.find(id("a", next + batch - 1))).isEmpty();
                next += batch;
            } else {
                assertThat(isOver).isFalse();
            }
        }
        deleting.get(60, TimeUnit.SECONDS);
    }

    @Test
    void keysThatChangeAtOnceAreListedOnce() throws Exception {
        InMemoryKeyStore<Object> large = of(20_000);
        List<StoredKey> keys = IntStream.range(0, 20_000)
                .mapToObj(i -> insert(large, "a", i, UNFINISHED))
                .toList();

        assertThat(atOnce(i -> large.replace(keys.get(i).revision(), with(keys.get(i), finished(NOW))), 20_000))
                .isEqualTo(20_000);

        assertThat(large.backlog(NOW.plusMillis(1)).waiting()).isZero();
        assertThat(atOnce(i -> large.deleteExpired(NOW, 50) == 50, 400)).isEqualTo(400);
        assertThat(large.deleteExpired(NOW, 1)).isZero();
    }

    // The bound

    @Test
    void theFirstOfAllPartsToExpireMakesRoom() {
        SHUFFLED.forEach(i -> insert("a", i, finished(NOW.minusMillis(100 - i))));

        insert("b", 101, UNFINISHED);

        assertThat(stored(store)).containsExactlyElementsOf(values(1, 102));
    }

    /** As many as there is room for come at once, and none of them is told that there isn't. */
    @RepeatedTest(30)
    void newKeysThatRaceForTheLastPlacesAllGetOne() throws Exception {
        InMemoryKeyStore<Object> full = of(THREADS * 10 + 20);
        IntStream.range(0, 10).forEach(i -> insert(full, "kept", i, finished(NOW.plusMillis(1))));
        IntStream.range(10, 20).forEach(i -> insert(full, "kept", i, UNFINISHED));
        IntStream.range(20, 50).forEach(i -> insert(full, "expired", i, finished(NOW)));

        assertThat(atOnce(i -> admits(full, 1_000 + i), THREADS * 10)).isEqualTo(THREADS * 10);

        assertThat(stored(full)).hasSize(THREADS * 10 + 20).containsAll(values(0, 20));
        assertThat(admits(full, 1_099)).isFalse();
        assertThat(admitsSingle(full, 1_099)).isFalse();
    }

    @RepeatedTest(30)
    void newKeysBeyondTheBoundAreRefused() throws Exception {
        InMemoryKeyStore<Object> full = of(30);
        IntStream.range(0, 10).forEach(i -> insert(full, "kept", i, finished(NOW.plusMillis(1))));
        IntStream.range(10, 20).forEach(i -> insert(full, "expired", i, finished(NOW)));

        assertThat(atOnce(i -> admits(full, 1_000 + i), THREADS * 10)).isEqualTo(20);

        assertThat(stored(full)).hasSize(30).containsAll(values(0, 10));
    }

    @RepeatedTest(30)
    void singleStagesThatFailAtOnceGiveAllTheirPlacesBack() throws Exception {
        InMemoryKeyStore<Object> small = of(THREADS);

        assertThat(atOnce(i -> fails(small, 1_000 + i), THREADS * 10)).isEqualTo(THREADS * 10);

        assertThat(IntStream.range(0, 9).filter(i -> admits(small, i)).count()).isEqualTo(THREADS);
    }

    @Test
    void noMoreSingleStagesThanThereArePlacesRunAtOnce() throws Exception {
        InMemoryKeyStore<Object> small = of(1);
        AtomicInteger running = new AtomicInteger();
        AtomicInteger most = new AtomicInteger();

        long unused = atOnce(
                i -> single(small, id("new", i), () -> {
                            most.accumulateAndGet(running.incrementAndGet(), Math::max);
                            Thread.onSpinWait();
                            running.decrementAndGet();
                            throw new IllegalStateException("no stock");
                        })
                        .equals(StageCommit.committed()),
                20_000);

        assertThat(most).hasValue(1);
    }

    /** The time is read between the first look and the second, which is under all locks. */
    @Test
    void roomThatIsMadeWhileAKeyLooksForSomeIsFound() {
        InMemoryKeyStore<Object> small = new InMemoryKeyStore<>(new Hooks(() -> {}), 1, () -> {
            meanwhile.run();
            return NOW;
        });
        insert(small, "expired", 0, finished(NOW));
        meanwhile = () -> assertThat(small.deleteExpired(NOW, 1)).isEqualTo(1);

        assertThat(small.insert(key(id("new", 1), UNFINISHED))).isTrue();
    }

    @Test
    void anExpiredKeyThatIsDeletedDuringItsSingleStageGivesItsPlaceBackOnce() {
        InMemoryKeyStore<Object> small = of(2);
        insert(small, "expired", 0, finished(NOW));

        StageCommit end = single(small, id("expired", 0), () -> {
            assertThat(small.deleteExpired(NOW, 9)).isEqualTo(1);
            assertThat(admits(small, 1)).isTrue();
            assertThat(admits(small, 2)).isFalse();
        });

        assertThat(end).isEqualTo(StageCommit.fencedOff());
        assertThat(admits(small, 3)).isTrue();
        assertThat(admits(small, 4)).isFalse();
    }

    /** Its deletion would make no room, and its stage would have run in vain. */
    @Test
    void anExpiredKeyIsNotReplacedByAnotherDuringItsSingleStage() {
        InMemoryKeyStore<Object> small = of(2);
        insert(small, "expired", 0, finished(NOW));

        StageCommit end = single(small, id("expired", 0), () -> {
            assertThat(admits(small, 1)).isTrue();
            assertThat(admits(small, 2)).isFalse();
            assertThat(admits(small, 3)).isFalse();
        });

        assertThat(end).isEqualTo(StageCommit.committed());
        assertThat(admits(small, 4)).isFalse();
    }

    @Test
    void aSingleStageThatReplacesAnExpiredKeyUsesNoSecondPlace() {
        InMemoryKeyStore<Object> small = of(2);
        insert(small, "expired", 0, finished(NOW));

        assertThat(single(small, id("expired", 0), () -> {})).isEqualTo(StageCommit.committed());

        assertThat(admits(small, 1)).isTrue();
        assertThat(admits(small, 2)).isFalse();
    }

    @Test
    void anExpiredKeyThatIsDeletedDuringItsCommitKeepsItsPlace() {
        List<Integer> deleted = new ArrayList<>();
        InMemoryKeyStore<Object> small = new InMemoryKeyStore<>(new Hooks(() -> meanwhile.run()), 2, () -> NOW);
        meanwhile = () -> deleted.add(small.deleteExpired(NOW, 9));
        StoredKey expired = insert(small, "expired", 0, finished(NOW));

        StageCommit end = replaceByAStage(small, expired);

        assertThat(end).isEqualTo(StageCommit.committed());
        assertThat(deleted).containsExactly(1);
        assertThat(stored(small)).containsExactly(0);
        meanwhile = () -> {};
        assertThat(admits(small, 1)).isTrue();
        assertThat(admits(small, 3)).isFalse();
    }

    @Test
    void aSingleStageSharesThePlaceOfACommitOfItsKey() {
        InMemoryKeyStore<Object> small = new InMemoryKeyStore<>(new Hooks(() -> meanwhile.run()), 1, () -> NOW);
        meanwhile = () -> {
            meanwhile = () -> {};
            assertThat(small.deleteExpired(NOW, 9)).isEqualTo(1);
            assertThat(single(small, id("expired", 0), () -> {}).kind())
                    .isEqualTo(StageCommit.Kind.TRANSIENTLY_ROLLED_BACK);
        };
        StoredKey expired = insert(small, "expired", 0, finished(NOW));

        assertThat(replaceByAStage(small, expired)).isEqualTo(StageCommit.committed());

        assertThat(stored(small)).containsExactly(0);
        assertThat(admits(small, 1)).isFalse();
    }

    @Test
    void anExpiredKeyThatIsDeletedDuringACommitThatFailsGivesItsPlaceBack() {
        InMemoryKeyStore<Object> small = new InMemoryKeyStore<>(new Hooks(() -> meanwhile.run()), 1, () -> NOW);
        meanwhile = () -> {
            assertThat(small.deleteExpired(NOW, 9)).isEqualTo(1);
            throw new IllegalStateException("the application can't commit");
        };
        StoredKey expired = insert(small, "expired", 0, finished(NOW));

        StageCommit end = replaceByAStage(small, expired);

        assertThat(end.kind()).isEqualTo(StageCommit.Kind.ROLLED_BACK);
        meanwhile = () -> {};
        assertThat(admits(small, 1)).isTrue();
    }

    private static StageCommit replaceByAStage(InMemoryKeyStore<Object> store, StoredKey key) {
        return store.commitStage(
                key,
                Isolation.SERIALIZABLE,
                LEASE,
                transaction -> with(key, UNFINISHED).progress());
    }

    private static InMemoryKeyStore<Object> of(int maxKeys) {
        return new InMemoryKeyStore<>(new Hooks(() -> {}), maxKeys, () -> NOW);
    }

    private StoredKey insert(String scope, int value, KeyState state) {
        return insert(store, scope, value, state);
    }

    private static StoredKey insert(InMemoryKeyStore<Object> store, String scope, int value, KeyState state) {
        StoredKey key = key(id(scope, value), state);
        assertThat(store.insert(key)).isTrue();
        return key;
    }

    /** Whether there is room for a new key, which comes by one way or the other. */
    private static boolean admits(InMemoryKeyStore<Object> store, int value) {
        if (value % 2 == 0) {
            return admitsSingle(store, value);
        }
        try {
            return store.insert(key(id("new", value), UNFINISHED));
        } catch (StoreFailure e) {
            assertThat(e.kind()).isEqualTo(StoreFailure.Kind.FULL);
            return false;
        }
    }

    private static boolean admitsSingle(InMemoryKeyStore<Object> store, int value) {
        StageCommit end = single(store, id("new", value), () -> {});
        if (end.kind() == StageCommit.Kind.ROLLED_BACK) {
            assertThat(end.cause())
                    .isInstanceOfSatisfying(
                            StoreFailure.class, e -> assertThat(e.kind()).isEqualTo(StoreFailure.Kind.FULL));
            return false;
        }
        assertThat(end).isEqualTo(StageCommit.committed());
        return true;
    }

    private static boolean fails(InMemoryKeyStore<Object> store, int value) {
        IllegalStateException failure = new IllegalStateException("no stock");
        StageCommit end = single(store, id("new", value), () -> {
            throw failure;
        });
        return end.equals(StageCommit.rolledBack(failure));
    }

    /** Runs a single stage, in place of whatever is stored. */
    private static StageCommit single(InMemoryKeyStore<Object> store, KeyId id, Runnable work) {
        StoredKey next = key(id, finished(NOW.plusMillis(1)));
        return store.commitSingle(next, Isolation.SERIALIZABLE, LEASE, new SingleStage<>() {
            @Override
            public boolean replaces(StoredKey stored) {
                return true;
            }

            @Override
            public StoredProgress work(Object transaction) {
                work.run();
                return next.progress();
            }
        });
    }

    /** Shares numbers from 0 on among threads that begin at once; returns for how many it holds. */
    private long atOnce(IntPredicate each, int numbers) throws Exception {
        CyclicBarrier start = new CyclicBarrier(THREADS);
        List<Future<Long>> ends = new ArrayList<>();
        for (int thread = 0; thread < THREADS; thread++) {
            int first = thread;
            ends.add(executor.submit(() -> {
                start.await(60, TimeUnit.SECONDS);
                return IntStream.iterate(first, i -> i < numbers, i -> i + THREADS)
                        .filter(each)
                        .count();
            }));
        }
        long sum = 0;
        for (Future<Long> end : ends) {
            sum += end.get(60, TimeUnit.SECONDS);
        }
        return sum;
    }

    private List<Integer> resumed(@Nullable String afterScope, int limit) {
        return values(store.findResumable(Map.of(), afterScope, NOW, limit));
    }

    /** The values of all keys, in order, whatever their state. */
    private static List<Integer> stored(InMemoryKeyStore<Object> store) {
        return Stream.of("a", "b", "kept", "expired", "new")
                .flatMap(scope -> IntStream.range(0, 1_100)
                        .filter(value -> store.find(id(scope, value)).isPresent())
                        .boxed())
                .sorted()
                .toList();
    }

    private static List<Integer> values(List<StoredKey> keys) {
        return keys.stream().map(key -> Integer.parseInt(key.id().value())).toList();
    }

    private static List<Integer> values(int from, int to) {
        return IntStream.range(from, to).boxed().toList();
    }

    private static KeyId id(String scope, int value) {
        return KeyId.of(scope, "%05d".formatted(value));
    }

    private static KeyState resumable(Instant from) {
        return new KeyState.Open(RecoveryPoint.STARTED, from);
    }

    private static KeyState finished(Instant expires) {
        return new KeyState.Finished(DONE, expires, expires);
    }

    private static StoredKey with(StoredKey key, KeyState state) {
        return key(key.id(), state);
    }

    private static StoredKey key(KeyId id, KeyState state) {
        IdempotencyKey key = new IdempotencyKey(
                new KeyCreation(id, UUID.randomUUID(), "op", REQUEST, Fingerprint.of("op", REQUEST), NOW),
                new KeyProgress(state, 1, 0, "", NOW));
        return new StoredKey(key, new Revision(UUID.randomUUID()));
    }

    private record Hooks(Runnable onCommit) implements InMemoryTransactions<Object> {
        @Override
        public Object begin() {
            return "";
        }

        @Override
        public void commit(Object transaction) {
            onCommit.run();
        }

        @Override
        public void rollback(Object transaction) {}
    }
}
