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
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.UUID;
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

    static final RecoveryPoint TAXED = RecoveryPoint.named("tax_lines_created");
    static final RecoveryPoint PAID = RecoveryPoint.named("payment_authorized");
    static final Request REQUEST = Request.of("POST", "/carts/42/complete", Map.of("email", "a@example.org"));
    static final Request OTHER_REQUEST = Request.of("POST", "/carts/42/complete", Map.of("email", "b@example.org"));
    static final Response RESPONSE = Response.of(201, "text/plain", "done");

    static final KeyState OPEN = new KeyState.Open(RecoveryPoint.STARTED, START.minusSeconds(60));
    static final KeyState LOCKED =
            new KeyState.Locked(RecoveryPoint.STARTED, START.minusSeconds(60), START.plusMillis(1));

    /** The name of every declared operation. */
    static final String NAME = "complete-cart";

    /** The store that {@link #service} uses. */
    final DisturbedStore<T> store;

    final IdempotencyKeyService<T> service;

    /** Another process at the same store, which nothing disturbs. */
    final IdempotencyKeyService<T> other;

    /** Unlike that of any other test. */
    final String scope = UUID.randomUUID().toString();

    final KeyId id = new KeyId(scope, "key");

    private final StoreFixture<T> fixture;
    private final KeyStore<T> undisturbed;
    private final AtomicLong elapsed = new AtomicLong();
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
        return builder(at, () -> {});
    }

    /** A service whose waits are for something that the test does. */
    IdempotencyKeyService<T> waitingFor(Runnable event) {
        return builder(undisturbed, event).build();
    }

    private ServiceBuilder<T> builder(KeyStore<T> at, Runnable whilePausing) {
        return IdempotencyKeyService.builder(at)
                .replayCacheBytes(0)
                .lease(LEASE)
                .timeToLive(TIME_TO_LIVE)
                .maxHeaderBytes(65_536)
                .environment(new Environment() {
                    @Override
                    public RandomGenerator random() {
                        return random;
                    }

                    @Override
                    public long nanoTime() {
                        return elapsed.get();
                    }

                    @Override
                    public void pause(Duration duration) {
                        whilePausing.run();
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
    StoredKey put(KeyState state) {
        return put(id, "", state);
    }

    StoredKey put(KeyId id, String operation, KeyState state) {
        StoredKey key = Samples.stored(
                id, operation, REQUEST, Fingerprint.of(operation, REQUEST), START.minusSeconds(60), state);
        if (!undisturbed.insert(key)) {
            throw new AssertionError("the key is there already");
        }
        return key;
    }

    /** A new key as a single stage sees it while it runs: it is stored nowhere. */
    StoredKey taken() {
        return taken(id);
    }

    StoredKey taken(KeyId id) {
        return Samples.stored(id, "", REQUEST, Fingerprint.of("", REQUEST), START, LOCKED);
    }

    /** The key as a single stage stores it. */
    StoredKey finished(StoredKey taken, Response response) {
        return with(taken, new KeyState.Finished(response, START, START.plus(TIME_TO_LIVE)));
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
            insert(stage, row);
            return outcome;
        };
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

    /** Three stages, each of which inserts a row of its own: one that commits twice would meet its own row. */
    Operation<T> threeStages() {
        return service.operation(NAME)
                .branch(RecoveryPoint.STARTED, inserting("tax", StageOutcome.advanceTo(TAXED)))
                .branch(TAXED, inserting("payment", StageOutcome.advanceTo(PAID)))
                .branch(PAID, inserting("order", respond()))
                .build();
    }
}
