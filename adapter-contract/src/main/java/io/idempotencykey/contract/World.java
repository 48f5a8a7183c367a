package io.idempotencykey.contract;

import io.idempotencykey.Fingerprint;
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
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.service.Claim;
import io.idempotencykey.service.Environment;
import io.idempotencykey.service.HeldKey;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import io.idempotencykey.service.ServiceBuilder;
import io.idempotencykey.service.StageContext;
import io.idempotencykey.service.StageOutcome;
import io.idempotencykey.service.StageResult;
import io.idempotencykey.service.WorkStage;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.random.RandomGenerator;

/**
 * One test's part of the store: a scope of its own, services whose time, randomness and waiting the test controls, and
 * a store that it can disturb.
 *
 * <p>Time stands still but for {@link #pass} and the waits between tries, which take no time but the world's.
 */
final class World<T> {
    /** On a leap day, in the last millisecond, and beyond 2038. */
    static final Instant START = Instant.parse("2040-02-29T23:59:59.999Z");

    static final Duration LEASE = Duration.ofSeconds(30);
    static final Duration TIME_TO_LIVE = Duration.ofHours(1);
    static final int MAX_TRIES = 4;
    static final Duration FIRST_PAUSE = Duration.ofMillis(8);
    static final Duration LONGEST_PAUSE = Duration.ofMillis(20);

    /** The name of the operations. */
    static final String NAME = "complete-cart";

    static final RecoveryPoint TAXED = RecoveryPoint.named("tax_lines_created");
    static final RecoveryPoint PAID = RecoveryPoint.named("payment_authorized");
    static final RecoveryPoint UNKNOWN_POINT = RecoveryPoint.named("of_a_newer_version");
    static final Request REQUEST = Request.of("POST", "/carts/42/complete", Map.of("email", "a@example.org"));
    static final Request OTHER_REQUEST = Request.of("POST", "/carts/42/complete", Map.of("email", "b@example.org"));
    static final Response RESPONSE = Response.of(201, "text/plain", "done");

    /** The store that {@link #service} uses. */
    final DisturbedStore<T> store;

    final IdempotencyKeyService<T> service;

    /** Another process at the same store, which nothing disturbs. */
    final IdempotencyKeyService<T> other;

    /** Unlike that of any other test. */
    final String scope = UUID.randomUUID().toString();

    final KeyId id = new KeyId(scope, "key");

    /** How long core waited between tries. */
    final Queue<Duration> pauses = new ConcurrentLinkedQueue<>();

    private final StoreFixture<T> fixture;
    private final KeyStore<T> undisturbed;
    private final AtomicLong elapsed = new AtomicLong();
    private final AtomicInteger stageRuns = new AtomicInteger();
    private final Random random = new Random(scope.hashCode());

    World(StoreFixture<T> fixture) {
        this(fixture, fixture.store());
    }

    private World(StoreFixture<T> fixture, KeyStore<T> underTest) {
        this.fixture = fixture;
        this.store = new DisturbedStore<>(underTest, this::now);
        this.undisturbed = new DisturbedStore<>(underTest, this::now);
        this.service = builder(store).build();
        this.other = builder(undisturbed).build();
    }

    static <T> World<T> emptyOf(StoreFixture<T> fixture) {
        return new World<>(fixture, fixture.emptyStore());
    }

    /** A service at a store in this world. */
    ServiceBuilder<T> builder(KeyStore<T> at) {
        // No two processes' monotonic clocks agree, and they may overflow.
        long origin = Long.MAX_VALUE - random.nextInt(1_000_000_000);
        return IdempotencyKeyService.builder(at)
                .lease(LEASE)
                .timeToLive(TIME_TO_LIVE)
                .maxTries(MAX_TRIES)
                .pauses(FIRST_PAUSE, LONGEST_PAUSE)
                .environment(new Environment() {
                    @Override
                    public RandomGenerator random() {
                        return random;
                    }

                    @Override
                    public long nanoTime() {
                        return origin + elapsed.get();
                    }

                    @Override
                    public void pause(Duration duration) {
                        pauses.add(duration);
                        pass(duration);
                    }
                });
    }

    /** The store's time. */
    Instant now() {
        return START.plusNanos(elapsed.get());
    }

    void pass(Duration time) {
        elapsed.addAndGet(time.toNanos());
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
        return undisturbed.find(id);
    }

    /** Stores a key in a state, past the service, as another process may have left it. */
    Optional<StoredKey> put(State state) {
        return put(state, "", RecoveryPoint.STARTED);
    }

    Optional<StoredKey> put(State state, String operation, RecoveryPoint at) {
        return put(id, state, operation, at);
    }

    Optional<StoredKey> put(KeyId id, State state, String operation, RecoveryPoint at) {
        Instant since = START.minus(State.SINCE);
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
        StoredKey stored = Samples.stored(id, operation, REQUEST, Fingerprint.of(operation, REQUEST), since, content);
        if (!undisturbed.insert(stored)) {
            throw new AssertionError("the key is there already");
        }
        return Optional.of(stored);
    }

    /** The same key in another state, as another write would store it. */
    StoredKey with(StoredKey stored, KeyState state) {
        IdempotencyKey key = stored.key();
        IdempotencyKey next = new IdempotencyKey(
                new KeyCreation(
                        key.id(), key.creationId(), key.operation(), key.request(), key.fingerprint(), key.createdAt()),
                new KeyProgress(state, key.attempts(), key.failedAttempts(), key.lastError(), now()));
        return new StoredKey(next, revision());
    }

    Revision revision() {
        return new Revision(new UUID(random.nextLong(), random.nextLong()));
    }

    /** Makes a key and holds it. */
    HeldKey hold() {
        service.create(scope, id.value(), REQUEST);
        return service.lock(id);
    }

    /** A name for a row of this test. */
    String row(String name) {
        return scope + "/" + name;
    }

    void insert(StageContext<T> stage, String row) {
        fixture.insert(stage.transaction(), row(row), "written");
    }

    Optional<String> read(String row) {
        return fixture.read(row(row));
    }

    /** A stage that inserts a row. */
    WorkStage<T> inserting(String row, StageOutcome outcome) {
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

    static boolean isInFlight(Claim claim) {
        return claim instanceof Claim.InFlight;
    }

    static boolean isReplay(Claim claim) {
        return claim instanceof Claim.Replay replay && replay.response().equals(RESPONSE);
    }

    /** Three stages, each of which inserts a row of its own: one that commits twice would meet its own row. */
    static <T> Operation<T> threeStages(World<T> world) {
        return world.service
                .operation(NAME)
                .branch(RecoveryPoint.STARTED, world.inserting("tax", StageOutcome.advanceTo(TAXED)))
                .branch(TAXED, world.inserting("payment", StageOutcome.advanceTo(PAID)))
                .branch(PAID, world.inserting("order", respond()))
                .build();
    }

    @SuppressWarnings({"unchecked", "TypeParameterUnusedInFormals"})
    static <X extends Throwable> X asItIs(Throwable failure) throws X {
        throw (X) failure;
    }

    List<Duration> pauses() {
        return List.copyOf(pauses);
    }
}
