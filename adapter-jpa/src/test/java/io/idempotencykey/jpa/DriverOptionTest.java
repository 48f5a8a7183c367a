package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import jakarta.persistence.EntityManagerFactory;
import java.sql.SQLException;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Options of PostgreSQL's driver by which it sends statements of its own, or sends them in other ways. */
class DriverOptionTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "autosave=always",
                "autosave=always&options=-c%20default_transaction_isolation=serializable",
                "autosave=conservative",
                "autosave=always&cleanupSavepoints=true",
                "prepareThreshold=-1",
                "prepareThreshold=0",
                "prepareThreshold=1",
                "preferQueryMode=simple",
                "prepareThreshold=-1&options=-c%20default_transaction_isolation=serializable",
                "preferQueryMode=extendedForPrepared",
                "preferQueryMode=extendedCacheEverything",
                "defaultRowFetchSize=1",
                "reWriteBatchedInserts=true",
                "binaryTransfer=false"
            })
    void itWorksOrIsRefusedByName(String option) throws SQLException {
        String url = TestDatabase.POSTGRESQL.create();
        try (HikariDataSource pool = TestDatabase.pool(url + "&" + option, 2);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            JpaKeyStore store;
            try {
                store = new JpaKeyStore(factory);
            } catch (IllegalArgumentException refused) {
                assertThat(refused).hasMessageContaining(option.replaceAll("=.*", ""));
                return;
            }
            // Often enough for the driver to prepare what it prepares only later.
            for (int i = 0; i < 8; i++) {
                JpaStoreFixture.assertSingleWorks(store, KeyId.of("key-" + i));
                for (Isolation isolation : store.isolations()) {
                    works(store, isolation, isolation + " " + i);
                }
            }
            assertThat(TestApplication.rows(url))
                    .hasSize(8 + 8 * store.isolations().size());
        }
    }

    private static void works(JpaKeyStore store, Isolation isolation, String row) {
        StoredKey held = JpaStoreFixture.held(store);
        StoredKey next = JpaStoreFixture.next(held);
        StringBuilder seen = new StringBuilder();
        StageCommit end = store.commitStage(held, isolation, JpaStoreFixture.LEASE, em -> {
            em.persist(new ContractRow(row, "1"));
            em.flush();
            seen.append(TestApplication.ask(em, "select current_setting('transaction_isolation')"));
            return next.progress();
        });
        assertThat(end).as("in %s", isolation).isEqualTo(StageCommit.committed());
        String expected = isolation == Isolation.SNAPSHOT ? "REPEATABLE_READ" : isolation.name();
        assertThat(seen.toString()).isEqualToIgnoringCase(expected.replace('_', ' '));
        assertThat(store.find(held.id())).contains(next);
        StoredKey replaced = JpaStoreFixture.next(next);
        assertThat(store.replace(next.revision(), replaced)).isTrue();
    }
}
