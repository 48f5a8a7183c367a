package com.example.idempotency.jdbc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.KeyId;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.StageContext;
import io.idempotencykey.service.WorkStage;
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.IOException;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Instant;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What only this store has: its errors, its time-outs, and stages that go past their handle. */
class JdbcKeyStoreTest {
    private static final Request REQUEST = Request.of("POST", "/carts/42/complete", Map.of());
    private static final Response DONE = Response.of(201, "text/plain", "done");

    private final JdbcKeyStore store = new JdbcKeyStore(TestServer.DATA_SOURCE);
    private final IdempotencyKeyService<Connection> keys = new IdempotencyKeyService<>(store);
    private final KeyId id = KeyId.of("key");
    private final String row = UUID.randomUUID().toString();

    @BeforeEach
    void noKeyIsStored() throws SQLException {
        TestServer.execute("truncate idempotency_key");
    }

    @Test
    void aDataSourceThatWaitsForEverIsRefused() throws IOException {
        try (EmbeddedPostgres server = EmbeddedPostgres.start()) {
            assertThatThrownBy(() -> new JdbcKeyStore(server.getPostgresDatabase()))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("lock_timeout is 0 ms; allowed: 1 to 1000");
        }
    }

    @Test
    void aStageThatCommitsIsRefused() {
        assertNothingIsKept(stage -> {
            insert(stage);
            stage.transaction().commit();
            return DONE;
        });
    }

    @Test
    void aStageThatEndsItsTransactionBySqlFailsOnce() {
        assertNothingIsKept(stage -> {
            insert(stage);
            TestServer.execute(stage.transaction(), "rollback");
            return DONE;
        });
    }

    private void assertNothingIsKept(WorkStage.Answer<Connection, Response> answer) {
        AtomicInteger runs = new AtomicInteger();

        assertThatThrownBy(() -> keys.once("complete-cart", id, REQUEST, stage -> {
                    runs.incrementAndGet();
                    return answer.answer(stage);
                }))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("the store");

        assertThat(runs).hasValue(1);
        assertThat(store.find(id)).isEmpty();
        assertThat(rows()).isZero();
    }

    @Test
    void aStageMayRollBackToASavepointOfItsOwn() {
        keys.once("complete-cart", id, REQUEST, stage -> {
            var before = stage.transaction().setSavepoint();
            insert(stage);
            stage.transaction().rollback(before);
            return DONE;
        });

        assertThat(rows()).isZero();
        assertThat(keys.retrieve(id).recoveryPoint().name()).isEqualTo("finished");
    }

    @Test
    void aStageWhoseSessionIsKilledRunsAgain() {
        AtomicInteger runs = new AtomicInteger();

        keys.once("complete-cart", id, REQUEST, stage -> {
            insert(stage);
            if (runs.incrementAndGet() == 1) {
                TestServer.execute(stage.transaction(), "select pg_terminate_backend(pg_backend_pid())");
            }
            return DONE;
        });

        assertThat(runs).hasValue(2);
        assertThat(rows()).isEqualTo(1);
    }

    @Test
    void aRowThatAnotherTransactionHoldsIsBusy() throws SQLException {
        keys.create("", id.value(), REQUEST);
        StoredKey stored = store.find(id).orElseThrow();
        try (Connection other = TestServer.DATA_SOURCE.getConnection()) {
            other.setAutoCommit(false);
            TestServer.execute(other, "select 1 from idempotency_key for update");

            assertThatExceptionOfType(StoreFailure.class)
                    .isThrownBy(() -> store.replace(stored.revision(), stored))
                    .satisfies(failure -> assertThat(failure.kind()).isEqualTo(StoreFailure.Kind.BUSY));

            other.rollback();
        }
    }

    @Test
    void aRowThatCanNotBeReadIsAnErrorAndHoldsNobodyUp() throws SQLException {
        keys.create("", id.value(), REQUEST);
        keys.create("another", id.value(), REQUEST);
        TestServer.execute("update idempotency_key set fingerprint = '' where scope = ''");

        assertThatExceptionOfType(IdempotencyException.UnreadableKey.class).isThrownBy(() -> keys.retrieve(id));
        assertThatExceptionOfType(IdempotencyException.UnreadableKey.class)
                .isThrownBy(() -> keys.once("complete-cart", id, REQUEST, stage -> DONE));
        Instant later = store.time().plusSeconds(60);
        assertThat(store.findResumable(Map.of(), null, later, 1))
                .extracting(key -> key.id().scope())
                .containsExactly("another");
        assertThat(store.backlog(later).waiting()).isEqualTo(2);
    }

    private void insert(StageContext<Connection> stage) throws SQLException {
        TestServer.execute(stage.transaction(), "insert into application_row values ('" + row + "', '')");
    }

    private int rows() {
        try (Connection connection = TestServer.DATA_SOURCE.getConnection();
                Statement statement = connection.createStatement();
                ResultSet rows =
                        statement.executeQuery("select count(*) from application_row where name = '" + row + "'")) {
            rows.next();
            return rows.getInt(1);
        } catch (SQLException e) {
            throw new IllegalStateException(e);
        }
    }
}
