package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.Isolation;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class H2StoreTest extends JpaStoreContract {
    H2StoreTest() {
        super(TestDatabase.H2);
    }

    /** Runs on a thread with a small stack, which recursion would soon fill. */
    @Test
    void scopesOfNothingButUnreadableRowsHoldNobodyUpHoweverManyTheyAre() throws Exception {
        with((store, factory, pool) -> {
            for (int i = 0; i < 2_000; i++) {
                assertThat(store.insert(sample("scope-" + i))).isTrue();
            }
            try (Connection connection = pool.getConnection()) {
                TestDatabase.execute(connection, "update idempotency_key set attempts = -1");
            }
            StoredKey good = sample("scope-z");
            assertThat(store.insert(good)).isTrue();
            FutureTask<List<StoredKey>> search = new FutureTask<>(() -> store.findResumable(Map.of(), null, LATER, 9));
            Thread thread = new Thread(null, search, "small stack", 256 * 1024);
            thread.setDaemon(true);
            thread.start();

            assertThat(search.get(60, TimeUnit.SECONDS)).containsExactly(good);
        });
    }

    @Test
    void aStageWaitsForRowsNoLongerThanItsLeaseAndTheConnectionGoesBackAsItCame() throws Exception {
        with((store, factory, pool) -> {
            StoredKey held = JpaStoreFixture.held(store);
            List<String> waits = new ArrayList<>();
            waits.add(lockTimeout(pool));

            StageCommit end = store.commitStage(held, Isolation.READ_COMMITTED, Duration.ofMillis(1_500), em -> {
                waits.add(TestApplication.ask(em, "call lock_timeout()"));
                return JpaStoreFixture.next(held).progress();
            });
            waits.add(lockTimeout(pool));

            assertThat(end).isEqualTo(StageCommit.committed());
            assertThat(waits).containsExactly(waits.get(0), "1500", waits.get(0));
        });
    }

    /** A file might lose commits by it. */
    @Test
    void aStageWritesItsMarkOnlyWhereTheDatabaseIsInMemory(@TempDir Path directory) throws Exception {
        assertThat(marks(TestDatabase.H2.create())).isEqualTo("1");
        assertThat(marks(TestDatabase.H2.fill("jdbc:h2:file:" + directory.resolve("keys"))))
                .isEqualTo("0");
    }

    private String marks(String url) throws Exception {
        List<String> marks = new ArrayList<>();
        with(url, (store, factory, pool) -> {
            StoredKey held = JpaStoreFixture.held(store);
            StageCommit end = store.commitStage(held, Isolation.READ_COMMITTED, JpaStoreFixture.LEASE, em -> {
                marks.add(TestApplication.ask(
                        em,
                        "select count(*) from information_schema.tables"
                                + " where lower(table_name) = 'idempotencykey_transaction'"));
                return JpaStoreFixture.next(held).progress();
            });
            assertThat(end).isEqualTo(StageCommit.committed());
        });
        return String.join(",", marks);
    }

    private static String lockTimeout(DataSource pool) throws SQLException {
        try (Connection connection = pool.getConnection()) {
            return TestApplication.ask(connection, "call lock_timeout()").get(0);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "PostgreSQL;DATABASE_TO_LOWER=TRUE;DEFAULT_NULL_ORDERING=HIGH",
                "MySQL;DATABASE_TO_LOWER=TRUE",
                "MariaDB;DATABASE_TO_LOWER=TRUE",
                "MSSQLServer",
                "DB2",
                "LEGACY"
            })
    void theSchemaWorksInOtherModes(String mode) throws Exception {
        String url = TestDatabase.H2.newDatabase("mode_" + mode.replaceAll(";.*", "")) + ";MODE=" + mode;
        with(TestDatabase.H2.fill(url), (store, factory, pool) -> {
            assertWorks(store);
            assertThat(store.backlog(LATER).waiting()).isEqualTo(1);
        });
    }
}
