package io.idempotencykey.jpa;

import static io.idempotencykey.contract.Services.askingTheStore;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.catchException;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.Fingerprint;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyCreation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyProgress;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.port.KeyStore.SingleStage;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import io.idempotencykey.service.IdempotencyKeyService;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import jakarta.transaction.TransactionManager;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Predicate;
import org.springframework.orm.jpa.JpaTransactionManager;
import org.springframework.orm.jpa.SharedEntityManagerCreator;
import org.springframework.transaction.TransactionDefinition;
import org.springframework.transaction.support.TransactionTemplate;

/** Stores on new databases, in transactions of each kind, and keys for them. */
abstract class JpaStoreFixture {
    static final Duration LEASE = Duration.ofSeconds(30);
    static final Instant AT = Instant.parse("2039-12-31T23:59:59.001Z");

    /** When the lease is over, and finished keys have expired. */
    static final Instant LATER = Instant.parse("2050-01-01T00:00:00Z");

    final TestDatabase database;

    JpaStoreFixture(TestDatabase database) {
        this.database = database;
    }

    @FunctionalInterface
    interface StoreTest {
        void run(JpaKeyStore store, EntityManagerFactory factory, HikariDataSource pool) throws Exception;
    }

    void with(StoreTest test) throws Exception {
        with(database.create(), test);
    }

    static void with(String url, StoreTest test) throws Exception {
        try (HikariDataSource pool = TestDatabase.pool(url, 5);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            test.run(new JpaKeyStore(factory), factory, pool);
        }
    }

    @FunctionalInterface
    interface JtaTest {
        void run(JpaKeyStore store, EntityManagerFactory factory, TransactionManager manager) throws Exception;
    }

    void jta(JtaTest test) throws Exception {
        JtaApplication.with(
                database.create(),
                5,
                (factory, manager) -> test.run(
                        JpaKeyStore.builder(factory).allowOuterTransactions().build(), factory, manager));
    }

    @FunctionalInterface
    interface SpringTest {
        void run(JpaKeyStore store, TransactionTemplate outer, EntityManager shared) throws Exception;
    }

    void spring(SpringTest test) throws Exception {
        spring(TransactionDefinition.PROPAGATION_REQUIRES_NEW, test);
    }

    void spring(int propagation, SpringTest test) throws Exception {
        try (HikariDataSource pool = TestDatabase.pool(database.create(), 5);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            JpaTransactionManager manager = new JpaTransactionManager(factory);
            EntityManager shared = SharedEntityManagerCreator.createSharedEntityManager(factory);
            TransactionTemplate template = new TransactionTemplate(manager);
            template.setPropagationBehavior(propagation);
            NewTransaction transaction =
                    (isolation, timeout, work) -> template.executeWithoutResult(status -> work.accept(shared));
            JpaKeyStore store = JpaKeyStore.builder(factory)
                    .transactions(transaction)
                    .strongest(database == TestDatabase.H2 ? Isolation.READ_COMMITTED : Isolation.SERIALIZABLE)
                    .allowOuterTransactions()
                    .build();
            test.run(store, new TransactionTemplate(manager), shared);
        }
    }

    /** How a stage is committed. */
    enum Way {
        /** With the change of a key that is held. */
        STAGED {
            @Override
            StoredKey key(JpaKeyStore store) {
                return held(store);
            }

            @Override
            StageCommit commit(
                    JpaKeyStore store,
                    StoredKey key,
                    Isolation isolation,
                    Function<EntityManager, StoredProgress> work) {
                return store.commitStage(key, isolation, LEASE, work);
            }
        },
        /** With its whole key. */
        SINGLE {
            @Override
            StoredKey key(JpaKeyStore store) {
                return sample("scope");
            }

            @Override
            StageCommit commit(
                    JpaKeyStore store,
                    StoredKey key,
                    Isolation isolation,
                    Function<EntityManager, StoredProgress> work) {
                return store.commitSingle(key, isolation, LEASE, single(stored -> false, work));
            }
        };

        abstract StoredKey key(JpaKeyStore store);

        abstract StageCommit commit(
                JpaKeyStore store, StoredKey key, Isolation isolation, Function<EntityManager, StoredProgress> work);

        boolean hasMoved(JpaKeyStore store, StoredKey key) {
            return !store.find(key.id()).equals(this == STAGED ? Optional.of(key) : Optional.empty());
        }
    }

    static SingleStage<EntityManager> single(
            Predicate<StoredKey> replacing, Function<EntityManager, StoredProgress> working) {
        return new SingleStage<>() {
            @Override
            public boolean replaces(StoredKey stored) {
                return replacing.test(stored);
            }

            @Override
            public StoredProgress work(EntityManager transaction) {
                return working.apply(transaction);
            }
        };
    }

    static StoredKey held(JpaKeyStore store) {
        StoredKey key = sample("scope");
        assertThat(store.insert(key)).isTrue();
        return key;
    }

    static StoredKey sample(String scope) {
        return sample(scope, new KeyState.Locked(RecoveryPoint.STARTED, AT, AT.plusSeconds(30)), AT);
    }

    static StoredKey expired(String scope) {
        return sample(scope, new KeyState.Finished(TestApplication.RESPONSE, AT, AT.plusSeconds(1)), AT);
    }

    static StoredKey sample(String scope, KeyState state, Instant at) {
        return new StoredKey(
                new IdempotencyKey(
                        new KeyCreation(
                                new KeyId(scope, UUID.randomUUID().toString()),
                                UUID.randomUUID(),
                                "",
                                TestApplication.REQUEST,
                                Fingerprint.of("", TestApplication.REQUEST),
                                at),
                        new KeyProgress(state, 1, 0, "", at)),
                new Revision(UUID.randomUUID()));
    }

    static StoredKey next(StoredKey held) {
        return new StoredKey(held.key(), new Revision(UUID.randomUUID()));
    }

    static String nameOf(StageCommit end) {
        return end.kind().name().toLowerCase(Locale.ROOT).replace('_', ' ');
    }

    /** The names of the rows, read in a stage, which works with any kind of transaction. */
    static List<String> rows(JpaKeyStore store, Isolation isolation) {
        List<String> names = new ArrayList<>();
        store.commitStage(held(store), isolation, LEASE, em -> {
            names.addAll(em.createQuery("select r.name from ContractRow r", String.class)
                    .getResultList());
            throw new IllegalStateException("only read");
        });
        return names;
    }

    /** A stage is committed, and moves its key. */
    static void assertWorks(JpaKeyStore store) {
        StoredKey held = held(store);
        StoredKey next = next(held);
        assertThat(store.commitStage(held, Isolation.SERIALIZABLE, LEASE, em -> next.progress()))
                .isEqualTo(StageCommit.committed());
        assertThat(store.find(held.id())).contains(next);
    }

    /** A request of one stage fails, is run anew, and is replayed. */
    static void assertSingleWorks(JpaKeyStore store, KeyId id) {
        IdempotencyKeyService<EntityManager> keys = askingTheStore(store);
        String row = "single " + id.value();
        assertThatIllegalStateException()
                .isThrownBy(() -> keys.once("order", id, TestApplication.REQUEST, stage -> {
                    stage.transaction().persist(new ContractRow(row, "failed"));
                    stage.transaction().flush();
                    throw new IllegalStateException("thrown by the stage");
                }));
        assertThat(keys.once("order", id, TestApplication.REQUEST, stage -> {
                            stage.transaction().persist(new ContractRow(row, "1"));
                            return TestApplication.RESPONSE;
                        })
                        .replayed())
                .isFalse();
        assertThat(askingTheStore(store)
                        .once("order", id, TestApplication.REQUEST, stage -> TestApplication.RESPONSE)
                        .replayed())
                .isTrue();
    }

    /** A stage with this work fails by its own fault, and its key stays. */
    static void assertRolledBack(JpaKeyStore store, Isolation isolation, Consumer<EntityManager> work) {
        StoredKey held = held(store);
        StageCommit end = store.commitStage(held, isolation, LEASE, em -> {
            work.accept(em);
            return next(held).progress();
        });
        assertThat(nameOf(end)).isEqualTo("rolled back");
        assertThat(store.find(held.id())).contains(held);
    }

    /** The same; and an operation with this work isn't run again. Returns what the operation throws. */
    static Exception assertFailsOnce(JpaKeyStore store, Isolation isolation, Consumer<EntityManager> work) {
        assertRolledBack(store, isolation, work);

        AtomicInteger runs = new AtomicInteger();
        IdempotencyKeyService<EntityManager> keys = IdempotencyKeyService.builder(store)
                .replayCacheBytes(0)
                .maxTries(3)
                .build();
        KeyId id = KeyId.of("key");
        Exception thrown = catchException(() -> keys.once("order", id, TestApplication.REQUEST, stage -> {
            runs.incrementAndGet();
            work.accept(stage.transaction());
            return TestApplication.RESPONSE;
        }));
        assertThat(thrown).isNotNull().isNotInstanceOf(IdempotencyException.class);
        assertThat(runs).hasValue(1);
        assertThat(store.find(id)).isEmpty();
        return thrown;
    }
}
