package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.Isolation;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import jakarta.persistence.EntityManagerFactory;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

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

    @ParameterizedTest
    @ValueSource(strings = {"serializable", "repeatable read", "read committed", "read uncommitted"})
    void aKeyInTheWayIsFoundAsItIsCommittedWhileATransactionHoldsItsRow(String isolation) throws Exception {
        whileARowIsHeld(
                isolation,
                (store, key) -> assertThat(
                                store.insertOrFind(new StoredKey(key.key(), new Revision(UUID.randomUUID()))))
                        .contains(key));
    }

    /** A block tells one number of rows, in which a trigger's don't count. */
    @Test
    void aTriggerThatWritesElsewhereIsNoOtherRevision() throws Exception {
        String url = database.create();
        try (Connection connection = DriverManager.getConnection(url)) {
            for (String event : List.of("insert", "update")) {
                TestDatabase.execute(
                        connection,
                        "create trigger audit_" + event + " after " + event + " on idempotency_key for each row insert"
                                + " into contract_row values (uuid(), '" + event + "')");
            }
        }
        with(url, (store, factory, pool) -> writesAndReads(store));
    }

    /** What the driver may be told to do otherwise. */
    @ParameterizedTest
    @ValueSource(
            strings = {"&useServerPrepStmts=true", "&useAffectedRows=true", "&useBulkStmts=true", "&autocommit=false"})
    void theDriversOptionsChangeNothing(String option) throws Exception {
        with(database.create() + option, (store, factory, pool) -> writesAndReads(store));
    }

    @Test
    void aPoolWithoutAutocommitChangesNothing() throws Exception {
        try (HikariDataSource pool = TestDatabase.pool(database.create(), 2)) {
            pool.setAutoCommit(false);
            try (EntityManagerFactory factory = TestDatabase.factory(pool)) {
                writesAndReads(new JpaKeyStore(factory));
            }
        }
    }

    private static void writesAndReads(JpaKeyStore store) {
        StoredKey key = sample("scope");
        StoredKey other = new StoredKey(key.key(), new Revision(UUID.randomUUID()));
        assertThat(store.insertOrFind(key)).contains(key);
        assertThat(store.insertOrFind(other)).contains(key);
        assertThat(store.insert(other)).isFalse();
        assertThat(store.replace(other.revision(), key)).isFalse();
        assertThat(store.replace(key.revision(), other)).isTrue();
        assertThat(commit(store, key)).isEqualTo(StageCommit.fencedOff());
        assertThat(store.find(key.id())).contains(other);
        assertThat(commit(store, other)).isEqualTo(StageCommit.committed());
        assertThat(store.find(key.id()).map(StoredKey::revision)).isNotEqualTo(Optional.of(other.revision()));

        StoredKey single = sample("scope");
        StageCommit end = store.commitSingle(
                single, Isolation.SERIALIZABLE, LEASE, single(stored -> false, em -> changed(single)));
        assertThat(end).isEqualTo(StageCommit.committed());
        assertThat(store.insert(single)).isFalse();
    }

    private static StageCommit commit(JpaKeyStore store, StoredKey held) {
        return store.commitStage(held, Isolation.SERIALIZABLE, LEASE, em -> changed(held));
    }

    private static StoredProgress changed(StoredKey key) {
        return new StoredKey(key.key(), new Revision(UUID.randomUUID())).progress();
    }

    /** A cancellation that comes after the commit within a block ends the block with an error all the same. */
    @ParameterizedTest
    @CsvSource({"1317, 70100", "1969, 70100"})
    void whatIsCancelledMayBeCommitted(int code, String state) throws Exception {
        try (HikariDataSource pool = TestDatabase.pool(database.create(), 2)) {
            RecordingDataSource source = new RecordingDataSource(pool);
            try (EntityManagerFactory factory = TestDatabase.factory(source.recorded())) {
                JpaKeyStore store = new JpaKeyStore(factory);
                StoredKey held = held(store);
                StoredKey next = new StoredKey(held.key(), new Revision(UUID.randomUUID()));
                SQLException cancelled = new SQLException("Query execution was interrupted", state, code);
                source.failAfter("; commit; end", cancelled);

                StageCommit end = store.commitStage(held, Isolation.SERIALIZABLE, LEASE, em -> next.progress());

                assertThat(end.kind()).isEqualTo(StageCommit.Kind.UNKNOWN);
                assertThat(store.find(held.id())).contains(next);

                StoredKey other = sample("scope");
                source.failAfter("; end", cancelled);
                assertThatExceptionOfType(StoreFailure.class)
                        .isThrownBy(() -> store.insert(other))
                        .satisfies(failure -> assertThat(failure.kind()).isEqualTo(StoreFailure.Kind.UNKNOWN));
                assertThat(store.find(other.id())).contains(other);
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
