package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import jakarta.persistence.EntityManagerFactory;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Map;
import java.util.function.UnaryOperator;
import javax.sql.DataSource;
import org.apache.commons.dbcp2.BasicDataSource;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.springframework.jdbc.datasource.DelegatingDataSource;
import org.springframework.jdbc.datasource.LazyConnectionDataSourceProxy;
import org.springframework.jdbc.datasource.SingleConnectionDataSource;

/** A connection that comes with a transaction, which a pool's own query has begun, works as any other. */
class OpenTransactionAtCheckoutTest {
    @OnH2AndPostgresql
    void aQueryAtCheckoutDisturbsNothing(TestDatabase database) throws SQLException {
        storeWorks(database, queried -> queried);
    }

    @Tag("databases")
    @Test
    void aQueryAtCheckoutDisturbsNothingOnMariadb() throws SQLException {
        storeWorks(TestDatabase.MARIADB, queried -> queried);
    }

    /** The proxy takes the connection, and so has the query sent, when the connection is first used. */
    @OnH2AndPostgresql
    void aQueryAtALazyCheckoutDisturbsNothing(TestDatabase database) throws SQLException {
        storeWorks(database, LazyConnectionDataSourceProxy::new);
    }

    private static void storeWorks(TestDatabase database, UnaryOperator<DataSource> around) throws SQLException {
        String url = database.create();
        try (HikariDataSource pool = TestDatabase.pool(url, 2)) {
            pool.setAutoCommit(false);
            DataSource queried = new DelegatingDataSource(pool) {
                @Override
                public Connection getConnection() throws SQLException {
                    Connection connection = super.getConnection();
                    assertThat(TestApplication.ask(connection, "select count(*) from contract_row"))
                            .hasSize(1);
                    return connection;
                }
            };
            try (EntityManagerFactory factory = TestDatabase.factory(around.apply(queried))) {
                works(new JpaKeyStore(factory));
            }
        }
        assertThat(TestApplication.rows(url)).containsExactly("SERIALIZABLE", "single key");
    }

    /** HikariCP does the same after a connection was idle for half a second. */
    @OnH2AndPostgresql
    void aPoolsOwnTestOfEachConnectionDisturbsNothing(TestDatabase database) throws SQLException {
        testingPoolWorks(database);
    }

    @Tag("databases")
    @Test
    void aPoolsOwnTestOfEachConnectionDisturbsNothingOnMariadb() throws SQLException {
        testingPoolWorks(TestDatabase.MARIADB);
    }

    private static void testingPoolWorks(TestDatabase database) throws SQLException {
        String url = database.create();
        try (BasicDataSource pool = new BasicDataSource()) {
            pool.setUrl(url);
            pool.setMaxTotal(2);
            pool.setDefaultAutoCommit(false);
            pool.setValidationQuery("select count(*) from contract_row");
            try (EntityManagerFactory factory = TestDatabase.factory(pool)) {
                works(new JpaKeyStore(factory));
            }
        }
        assertThat(TestApplication.rows(url)).containsExactly("SERIALIZABLE", "single key");
    }

    private static void works(JpaKeyStore store) {
        JpaStoreFixture.assertSingleWorks(store, KeyId.of("key"));
        for (Isolation isolation : store.isolations()) {
            StoredKey held = JpaStoreFixture.held(store);
            StoredKey next = JpaStoreFixture.next(held);
            StageCommit end = store.commitStage(held, isolation, JpaStoreFixture.LEASE, em -> {
                if (isolation == Isolation.SERIALIZABLE) {
                    em.persist(new ContractRow(isolation.name(), "1"));
                }
                return next.progress();
            });
            assertThat(end).as("in %s", isolation).isEqualTo(StageCommit.committed());
            assertThat(store.find(held.id())).contains(next);
            StoredKey replaced = JpaStoreFixture.next(next);
            assertThat(store.replace(next.revision(), replaced)).isTrue();
            assertThat(store.find(held.id())).contains(replaced);
        }
        assertThat(store.findResumable(Map.of(), null, JpaStoreFixture.LATER, 9))
                .hasSize(store.isolations().size());
        assertThat(store.deleteExpired(JpaStoreFixture.LATER, 9)).isEqualTo(1);
    }

    /** A pool that rolls nothing back when a connection is returned, as Tomcat's doesn't. */
    @Test
    void makingAStoreLeavesNoTransactionOpen() throws SQLException {
        String url = TestDatabase.POSTGRESQL.create();
        SingleConnectionDataSource single = new SingleConnectionDataSource(url, true);
        single.setAutoCommit(false);
        try (EntityManagerFactory factory = TestDatabase.factory(single)) {
            single.getConnection().rollback();
            JpaKeyStore store = new JpaKeyStore(factory);
            assertThat(openTransactions(url)).as("after the store was made").isZero();

            works(store);
            assertThat(openTransactions(url)).as("after its work").isZero();
        } finally {
            single.destroy();
        }
    }

    private static int openTransactions(String url) throws SQLException {
        return Integer.parseInt(TestApplication.ask(
                        url,
                        "select count(*) from pg_stat_activity where datname = current_database()"
                                + " and state like 'idle in transaction%'")
                .get(0));
    }
}
