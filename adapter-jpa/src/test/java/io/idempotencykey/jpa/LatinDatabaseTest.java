package io.idempotencykey.jpa;

import static io.idempotencykey.contract.Services.askingTheStore;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.Fingerprint;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyCreation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyProgress;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import java.sql.SQLException;
import java.util.Map;
import java.util.UUID;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A failure whose message the database can't hold is a failure as any other. */
class LatinDatabaseTest {
    private static final KeyId ID = KeyId.of("key");

    @ParameterizedTest
    @ValueSource(strings = {"10 €", "10 \u20ac, \ud83d\ude00", "10 \ud83d", "10 \0", "10 £"})
    void aFailureCountsWhateverItsMessage(String message) throws SQLException {
        String url = latin1();
        try (HikariDataSource pool = TestDatabase.pool(url, 3);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            IdempotencyKeyService<EntityManager> keys = askingTheStore(new JpaKeyStore(factory));
            Operation<EntityManager> operation = keys.operation("order")
                    .maxAttempts(3)
                    .completeAfterFailure()
                    .respond(RecoveryPoint.STARTED, stage -> {
                        throw new IllegalStateException(message);
                    })
                    .build();

            for (int failed = 1; failed <= 3; failed++) {
                assertThatIllegalStateException()
                        .isThrownBy(() -> keys.run(operation, ID, TestApplication.REQUEST))
                        .withMessage(message);
                IdempotencyKey key = keys.retrieve(ID);
                assertThat(key.failedAttempts()).isEqualTo(failed);
                assertThat(key.lastError()).contains("10 ");
            }

            assertThat(keys.retrieve(ID).state()).isInstanceOf(KeyState.Quarantined.class);
            assertThatExceptionOfType(IdempotencyException.Quarantined.class)
                    .isThrownBy(() -> keys.run(operation, ID, TestApplication.REQUEST));
        }
    }

    /** JSON keeps each character by its escape. */
    @Test
    void aRequestIsKeptWhateverItsParameters() throws SQLException {
        Request request = Request.of("POST", "/carts", Map.of("price", "10 €"));
        try (HikariDataSource pool = TestDatabase.pool(latin1(), 3);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            IdempotencyKeyService<EntityManager> keys = askingTheStore(new JpaKeyStore(factory));

            keys.once("order", ID, request, stage -> TestApplication.RESPONSE);

            assertThat(keys.once("order", ID, request, stage -> TestApplication.RESPONSE)
                            .replayed())
                    .isTrue();
            assertThat(keys.retrieve(ID).request().parameters()).isEqualTo(request.parameters());
        }
    }

    /** There the key is written before the stage's work, which runs once all the same. */
    @Tag("databases")
    @ParameterizedTest
    @EnumSource(names = {"MARIADB", "MYSQL"})
    void aRequestOfOneStageIsKeptWhateverItsParametersWhereTheKeyIsWrittenFirst(TestDatabase database)
            throws SQLException {
        String url = database.create();
        TestDatabase.execute(
                url, "alter table idempotency_key modify request_parameters longtext character set latin1 not null");
        Request request = Request.of("POST", "/carts", Map.of("mood", "\ud83d\ude00"));
        try (HikariDataSource pool = TestDatabase.pool(url, 3);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            IdempotencyKeyService<EntityManager> keys = askingTheStore(new JpaKeyStore(factory));

            keys.once("order", ID, request, stage -> {
                stage.transaction().persist(new ContractRow("row", "1"));
                return TestApplication.RESPONSE;
            });

            assertThat(TestApplication.rows(url)).containsExactly("row");
            assertThat(keys.retrieve(ID).request().parameters()).isEqualTo(request.parameters());
        }
    }

    /** Nothing was stored, and the store knows that. */
    @Tag("databases")
    @ParameterizedTest
    @EnumSource(names = {"MARIADB", "MYSQL"})
    void aPathThatTheColumnCannotHoldIsRefused(TestDatabase database) throws SQLException {
        String url = database.create();
        TestDatabase.execute(
                url, "alter table idempotency_key modify request_path varchar(2048) character set latin1 not null");
        Request request = Request.of("POST", "/carts/\ud83d\ude00", Map.of());
        KeyCreation creation =
                new KeyCreation(ID, UUID.randomUUID(), "", request, Fingerprint.of("", request), JpaStoreFixture.AT);
        KeyProgress progress =
                new KeyProgress(new KeyState.Failed(JpaStoreFixture.LATER), 1, 1, "", JpaStoreFixture.AT);
        StoredKey key = new StoredKey(new IdempotencyKey(creation, progress), new Revision(UUID.randomUUID()));
        try (HikariDataSource pool = TestDatabase.pool(url, 3);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            JpaKeyStore store = new JpaKeyStore(factory);

            assertThatExceptionOfType(StoreFailure.class)
                    .isThrownBy(() -> store.insert(key))
                    .extracting(StoreFailure::kind)
                    .isEqualTo(StoreFailure.Kind.UNAVAILABLE);

            assertThat(store.find(ID)).isEmpty();
        }
    }

    private static String latin1() throws SQLException {
        String other = TestDatabase.POSTGRESQL.create();
        String name = "latin" + other.replaceAll(".*/(\\w+)\\?.*", "$1");
        TestDatabase.execute(
                other, "create database " + name + " encoding 'LATIN1' template template0 lc_collate 'C' lc_ctype 'C'");
        return TestDatabase.POSTGRESQL.fill(other.replaceAll("/(\\w+)\\?", "/" + name + "?"));
    }
}
