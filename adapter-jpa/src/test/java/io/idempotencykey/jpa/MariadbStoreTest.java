package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.Isolation;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import jakarta.persistence.EntityManagerFactory;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("databases")
class MariadbStoreTest extends InnodbStoreContract {
    MariadbStoreTest() {
        super(TestDatabase.MARIADB);
    }

    /** In a stricter one it would lock the gap between keys, and others' inserts there and it would wait for another. */
    @Test
    void aKeyIsInsertedInReadCommittedAlsoWhereConnectionsComeWithAnotherIsolation() throws Exception {
        String url = database.create();
        try (HikariDataSource pool = TestDatabase.pool(url, 4)) {
            pool.setConnectionInitSql("set session transaction isolation level serializable");
            try (EntityManagerFactory factory = TestDatabase.factory(pool)) {
                JpaKeyStore store = new JpaKeyStore(factory);
                StoredKey key = sample("scope");

                // Its row is there while its stage runs, and others wait for it.
                StageCommit end = store.commitSingle(key, Isolation.SERIALIZABLE, LEASE, single(stored -> false, em -> {
                    assertThat(isolationMeanwhile(url, () -> store.insert(key))).isEqualTo("READ COMMITTED");
                    assertThat(isolationMeanwhile(url, () -> store.insertOrFind(key)))
                            .isEqualTo("READ COMMITTED");
                    return key.progress();
                }));

                assertThat(end).isEqualTo(StageCommit.committed());
            }
        }
    }

    /** The isolation of the transaction that waits for a row while another thread inserts; it waits for a second. */
    private static String isolationMeanwhile(String url, Supplier<Object> insert) {
        CompletableFuture<Boolean> inserting =
                CompletableFuture.supplyAsync(insert).handle((done, failure) -> true);
        String isolation = "nobody has waited";
        try (Connection asking = DriverManager.getConnection(url);
                Statement statement = asking.createStatement()) {
            while (!isDoneSoon(inserting)) {
                try (ResultSet waiting = statement.executeQuery(
                        "select trx_isolation_level from information_schema.innodb_trx where trx_state = 'LOCK WAIT'")) {
                    if (waiting.next()) {
                        isolation = waiting.getString(1);
                    }
                }
            }
            return isolation;
        } catch (SQLException e) {
            throw new IllegalStateException(e);
        }
    }

    /** The server shows the same transactions again to whoever asks earlier than after a tenth of a second. */
    private static boolean isDoneSoon(CompletableFuture<Boolean> call) {
        try {
            return call.get(150, TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            return false;
        } catch (InterruptedException | ExecutionException e) {
            throw new IllegalStateException(e);
        }
    }
}
