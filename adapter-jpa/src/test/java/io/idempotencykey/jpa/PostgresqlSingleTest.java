package io.idempotencykey.jpa;

import static io.idempotencykey.contract.Services.askingTheStore;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import jakarta.persistence.EntityManager;
import java.sql.Connection;
import java.time.Duration;
import java.util.Collections;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PostgresqlSingleTest extends JpaSingleContract {
    PostgresqlSingleTest() {
        super(TestDatabase.POSTGRESQL);
    }

    /** The server tells of it as of another row of the key: by a duplicate, in the answer to the last message. */
    @Test
    void aConstraintThatTheCommitChecksFailsTheStage() throws Exception {
        String url = database.create();
        TestDatabase.execute(url, "alter table contract_row add unique (content) deferrable initially deferred");
        with(url, (store, factory, pool) -> {
            StoredKey key = sample("scope");
            assertThat(nameOf(end(store, key, false, em -> em.persist(new ContractRow("first", "1")))))
                    .isEqualTo("committed");
            StoredKey other = sample("another-scope");

            assertThat(nameOf(end(store, other, false, em -> em.persist(new ContractRow("second", "1")))))
                    .isEqualTo("rolled back");
            assertThat(store.find(other.id())).isEmpty();
            assertThat(nameOf(end(store, other, false, em -> {
                        em.persist(new ContractRow("second", "1"));
                        assertThat(store.insert(other)).isTrue();
                    })))
                    .isEqualTo("fenced off");
            assertThat(rows(store, Isolation.SERIALIZABLE)).containsExactly("first");
        });
    }

    /** The last write then isn't one that a row of the key could refuse. */
    @Test
    void aConstraintThatTheCommitChecksFailsTheStageWhoseKeyReplacesAnExpiredOne() throws Exception {
        String url = database.create();
        TestDatabase.execute(url, "alter table contract_row add unique (content) deferrable initially deferred");
        TestDatabase.execute(url, "insert into contract_row values ('first', '1')");
        with(url, (store, factory, pool) -> {
            StoredKey expired = expired("scope");
            assertThat(store.insert(expired)).isTrue();

            assertThat(nameOf(end(store, next(expired), true, em -> em.persist(new ContractRow("second", "1")))))
                    .isEqualTo("rolled back");
            assertThat(store.find(expired.id())).contains(expired);
        });
    }

    @Test
    void aKeyThatWasStoredMeanwhileAndHasExpiredIsReplacedByTheNextTry() throws Exception {
        with((store, factory, pool) -> {
            StoredKey expired = expired("scope");
            StoredKey next = next(expired);

            assertThat(nameOf(end(
                            store,
                            next,
                            true,
                            em -> assertThat(store.insert(expired)).isTrue())))
                    .isEqualTo("transiently rolled back");
            assertThat(nameOf(end(store, next, true, em -> {}))).isEqualTo("committed");
            assertThat(store.find(next.id())).contains(next);
        });
    }

    /** The lease is ten minutes, and a stage's own statements wait as long. */
    @ParameterizedTest
    @ValueSource(strings = {"", "&options=-c%20statement_timeout=300"})
    @Timeout(value = 5, unit = TimeUnit.MINUTES, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void theLastWriteWaitsOnlyBrieflyForARowOfTheKey(String options) throws Exception {
        with(database.create() + options, (store, factory, pool) -> {
            StoredKey key = sample("scope");
            try (Connection other = pool.getConnection()) {
                other.setAutoCommit(false);
                KeyTable table = new KeyTable(Dialect.of(other), "idempotency_key");
                assertThat(table.insert(new Statements(other), key, false)).isTrue();

                assertThat(nameOf(end(store, key, false, em -> {}))).isEqualTo("transiently rolled back");
                other.rollback();
            }
            assertThat(store.find(key.id())).isEmpty();
        });
    }

    /** The table is checked when the store is made. A trigger that comes later is noticed by its first victim. */
    @Test
    void aKeyThatATriggerDropsIsAnErrorAndNotRunAgain() throws Exception {
        with((store, factory, pool) -> {
            try (Connection connection = pool.getConnection()) {
                Dialect.execute(
                        connection,
                        "create function drop_row() returns trigger language plpgsql as 'begin return null; end'");
                Dialect.execute(
                        connection,
                        "create trigger drop_row before insert on idempotency_key for each row"
                                + " execute function drop_row()");
            }
            AtomicInteger runs = new AtomicInteger();

            assertThatIllegalStateException()
                    .isThrownBy(() -> askingTheStore(store)
                            .once("order", KeyId.of("key"), TestApplication.REQUEST, stage -> {
                                runs.incrementAndGet();
                                return TestApplication.RESPONSE;
                            }))
                    .withMessageContaining("dropped the key's row");
            assertThat(runs).hasValue(1);
            assertThatIllegalArgumentException().isThrownBy(() -> new JpaKeyStore(factory));
        });
    }

    private static StageCommit end(JpaKeyStore store, StoredKey key, boolean replaces, Consumer<EntityManager> work) {
        return store.commitSingle(
                key, Collections.max(store.isolations()), Duration.ofMinutes(10), single(stored -> replaces, em -> {
                    work.accept(em);
                    return key.progress();
                }));
    }
}
