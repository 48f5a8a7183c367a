package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.Isolation;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import jakarta.persistence.EntityManagerFactory;
import java.sql.Connection;
import java.sql.DriverManager;
import java.util.Map;
import java.util.function.BiConsumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What MySQL and MariaDB have in common beyond all stores. */
abstract class InnodbStoreContract extends JpaStoreContract {
    InnodbStoreContract(TestDatabase database) {
        super(database);
    }

    /** The error is 1364, which has no SQL state but HY000. */
    @Test
    void aMissingValueIsTheStagesOwnError() throws Exception {
        with((store, factory, pool) -> {
            try (Connection connection = pool.getConnection()) {
                TestDatabase.execute(connection, "create table strict (a int not null, b int)");
            }
            assertRolledBack(
                    store,
                    Isolation.SERIALIZABLE,
                    em -> em.createNativeQuery("insert into strict (b) values (1)")
                            .executeUpdate());
        });
    }

    /** The reading of the clock touches no table, and so begins no transaction that would use up an isolation. */
    @Test
    void aSingleStageAfterTheClockWasReadHasTheIsolationThatTheDataSourceGives() throws Exception {
        String url = database.create();
        TestDatabase.execute(url, "insert into contract_row values ('read', '1')");
        try (HikariDataSource pool = TestDatabase.pool(url, 1)) {
            pool.setConnectionInitSql("set session transaction isolation level serializable");
            try (EntityManagerFactory factory = TestDatabase.factory(pool)) {
                JpaKeyStore store = new JpaKeyStore(factory);
                StoredKey key = sample("scope");
                assertThat(store.time()).isNotNull();

                StageCommit end = store.commitSingle(key, Isolation.SERIALIZABLE, LEASE, single(stored -> false, em -> {
                    TestApplication.ask(em, "select content from contract_row where name = 'read'");
                    assertThat(RoutedDataSourceTest.isLocked(url)).isTrue();
                    return key.progress();
                }));

                assertThat(end).isEqualTo(StageCommit.committed());
            }
        }
    }

    /** With autocommit such a read needs no isolation of its own, and no lock. */
    @ParameterizedTest
    @ValueSource(strings = {"serializable", "repeatable read", "read committed", "read uncommitted"})
    void aKeyIsReadAsItIsCommittedWhileATransactionHoldsItsRow(String isolation) throws Exception {
        whileARowIsHeld(isolation, (store, key) -> {
            assertThat(store.find(key.id())).contains(key);
            assertThat(store.findResumable(Map.of(), null, LATER, 1)).containsExactly(key);
        });
    }

    /** Another transaction has changed the key's row; the store's connections come with the isolation. */
    void whileARowIsHeld(String isolation, BiConsumer<JpaKeyStore, StoredKey> test) throws Exception {
        String url = database.create();
        try (HikariDataSource pool = TestDatabase.pool(url, 2)) {
            pool.setConnectionInitSql("set session transaction isolation level " + isolation);
            try (EntityManagerFactory factory = TestDatabase.factory(pool);
                    Connection other = DriverManager.getConnection(url)) {
                JpaKeyStore store = new JpaKeyStore(factory);
                StoredKey key = held(store);
                other.setAutoCommit(false);
                TestDatabase.execute(other, "update idempotency_key set attempts = 9");

                test.accept(store, key);

                other.rollback();
            }
        }
    }
}
