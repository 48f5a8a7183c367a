package io.idempotencykey.service;

import io.idempotencykey.Fingerprint;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyCreation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyProgress;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.port.KeyStore;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.random.RandomGenerator;

/**
 * One test's world: a store that it can disturb, and services whose time, randomness and waiting it controls.
 *
 * <p>Time stands still but for {@link #pass} and the waits between tries, which take no time but the world's.
 */
final class World {
    /** On a leap day, in the last millisecond, and beyond 2038. */
    static final Instant START = Instant.parse("2040-02-29T23:59:59.999Z");

    static final Duration LEASE = Duration.ofSeconds(30);
    static final Duration TIME_TO_LIVE = Duration.ofHours(1);
    static final int MAX_TRIES = 4;
    static final Duration FIRST_PAUSE = Duration.ofMillis(8);
    static final Duration LONGEST_PAUSE = Duration.ofMillis(20);

    static final RecoveryPoint TAXED = RecoveryPoint.named("tax_lines_created");
    static final RecoveryPoint PAID = RecoveryPoint.named("payment_authorized");
    static final RecoveryPoint UNKNOWN_POINT = RecoveryPoint.named("of_a_newer_version");
    static final Request REQUEST = Request.of("POST", "/carts/42/complete", Map.of("email", "a@example.org"));
    static final Request OTHER_REQUEST = Request.of("POST", "/carts/42/complete", Map.of("email", "b@example.org"));
    static final Response RESPONSE = Response.of(201, "text/plain", "done");

    /** The store that {@link #service} uses. */
    final DisturbedStore store;

    final IdempotencyKeyService<List<String>> service;

    /** Another process at the same store, which nothing disturbs. */
    final IdempotencyKeyService<List<String>> other;

    final String scope = "shop";
    final KeyId id = new KeyId(scope, "key");

    /** How long core waited between tries. */
    final Queue<Duration> pauses = new ConcurrentLinkedQueue<>();

    /** Whether threads that wait are interrupted. */
    volatile boolean stopping;

    private final MapKeyStore keys = new MapKeyStore();
    private final AtomicInteger stageRuns = new AtomicInteger();
    private final Random random = new Random(1);

    World() {
        this.store = new DisturbedStore(keys);
        this.service = builder(store).build();
        this.other = builder(keys).build();
    }

    /** A service at a store in this world, which it asks for everything. */
    ServiceBuilder<List<String>> builder(KeyStore<List<String>> at) {
        // No two processes' monotonic clocks agree, and they may overflow.
        long origin = Long.MAX_VALUE - random.nextInt(1_000_000_000);
        return IdempotencyKeyService.builder(at)
                .lease(LEASE)
                .timeToLive(TIME_TO_LIVE)
                .maxTries(MAX_TRIES)
                .pauses(FIRST_PAUSE, LONGEST_PAUSE)
                .replayCacheBytes(0)
                .environment(new Environment() {
                    @Override
                    public RandomGenerator random() {
                        return random;
                    }

                    @Override
                    public long nanoTime() {
                        return origin + Duration.between(START, now()).toNanos();
                    }

                    @Override
                    public void pause(Duration duration) throws InterruptedException {
                        if (stopping) {
                            throw new InterruptedException();
                        }
                        pauses.add(duration);
                        pass(duration);
                    }
                });
    }

    /** The store's time. */
    Instant now() {
        return keys.time();
    }

    /** The time as it is stored. */
    Instant millis() {
        return now().truncatedTo(ChronoUnit.MILLIS);
    }

    void pass(Duration time) {
        keys.pass(time);
    }

    KeyId id(String value) {
        return new KeyId(scope, value);
    }

    /** The key as it is stored. */
    StoredKey stored() {
        return find().orElseThrow(() -> new AssertionError("the key is not stored"));
    }

    IdempotencyKey key() {
        return stored().key();
    }

    KeyState state() {
        return key().state();
    }

    Optional<StoredKey> find() {
        return keys.find(id);
    }

    /** Stores a key in a state, past the service, as another process may have left it. */
    Optional<StoredKey> put(State state) {
        return put(state, "", RecoveryPoint.STARTED);
    }

    Optional<StoredKey> put(State state, String operation, RecoveryPoint at) {
        return put(id, state, operation, at);
    }

    Optional<StoredKey> put(KeyId id, State state, String operation, RecoveryPoint at) {
        Instant since = now().minus(State.SINCE);
        KeyState content = switch (state) {
            case ABSENT -> null;
            case OPEN -> new KeyState.Open(at, since);
            case LOCKED -> new KeyState.Locked(at, since, now().plusMillis(1));
            case LEASE_OVER -> new KeyState.Locked(at, since, now());
            case FAILED -> new KeyState.Failed(now().plusMillis(1));
            case FAILED_EXPIRED -> new KeyState.Failed(now());
            case FINISHED -> new KeyState.Finished(RESPONSE, since, now().plusMillis(1));
            case EXPIRED -> new KeyState.Finished(RESPONSE, since, now());
            case QUARANTINED -> new KeyState.Quarantined(at, since, "a person has to look at it");
        };
        if (content == null) {
            return Optional.empty();
        }
        StoredKey stored = stored(id, operation, REQUEST, Fingerprint.of(operation, REQUEST), since, content);
        if (!keys.insert(stored)) {
            throw new AssertionError("the key is there already");
        }
        return Optional.of(stored);
    }

    static StoredKey stored(
            KeyId id, String operation, Request request, Fingerprint fingerprint, Instant since, KeyState state) {
        IdempotencyKey key = new IdempotencyKey(
                new KeyCreation(id, UUID.randomUUID(), operation, request, fingerprint, since),
                new KeyProgress(state, 3, 1, "an earlier error", since));
        return new StoredKey(key, new Revision(UUID.randomUUID()));
    }

    /** Another worker's single stage holds the key. */
    void take() {
        keys.taken.add(id);
    }

    /** Whatever transaction holds the key ends without a commit. */
    void release() {
        keys.taken.remove(id);
    }

    /** The next time that a single stage looks for its key, something happens before it takes it. */
    void afterNextLook(Runnable event) {
        keys.afterLook = () -> {
            keys.afterLook = () -> {};
            event.run();
        };
    }

    /** Makes a key and holds it. */
    HeldKey hold() {
        service.create(scope, id.value(), REQUEST);
        return service.lock(id);
    }

    /** Inserts a row, and throws as a store does if it is there. */
    void insert(StageContext<List<String>> stage, String row) {
        List<String> written = stage.transaction();
        if (written.contains(row) || keys.rows.contains(row)) {
            throw new IllegalStateException("there is a row '" + row + "'");
        }
        written.add(row);
    }

    /** A row's value. */
    Optional<String> read(String row) {
        return keys.rows.contains(row) ? Optional.of("written") : Optional.empty();
    }

    /** A stage that inserts a row. */
    WorkStage<List<String>> inserting(String row, StageOutcome outcome) {
        return stage -> {
            stageRuns.incrementAndGet();
            insert(stage, row);
            return outcome;
        };
    }

    /** How often the stages of {@link #inserting} ran. */
    int stageRuns() {
        return stageRuns.get();
    }

    static StageOutcome respond() {
        return StageOutcome.respond(RESPONSE);
    }

    static HeldKey held(StageResult result) {
        return ((StageResult.Held) result).key();
    }

    static Response response(StageResult result) {
        return ((StageResult.Finished) result).response();
    }

    static HeldKey claimed(Claim claim) {
        if (claim instanceof Claim.Claimed claimed) {
            return claimed.key();
        }
        throw new AssertionError(claim + " instead of claimed");
    }

    /** What a caller is told of a store that fails in this way. */
    static Class<? extends RuntimeException> toldOf(StoreFailure.Kind kind) {
        return switch (kind) {
            case FULL -> IdempotencyException.StoreFull.class;
            case REFUSED -> IllegalStateException.class;
            case UNREADABLE -> IdempotencyException.UnreadableKey.class;
            case TRANSIENT, UNKNOWN, BUSY, UNAVAILABLE -> IdempotencyException.StoreUnavailable.class;
        };
    }

    static boolean isInFlight(Claim claim) {
        return claim instanceof Claim.InFlight;
    }

    static boolean isReplay(Claim claim) {
        return claim instanceof Claim.Replay replay && replay.response().equals(RESPONSE);
    }

    /** As languages without checked exceptions do it. */
    @SuppressWarnings({"unchecked", "TypeParameterUnusedInFormals"})
    static <X extends Throwable> X asItIs(Throwable failure) throws X {
        throw (X) failure;
    }

    List<Duration> pauses() {
        return List.copyOf(pauses);
    }
}
