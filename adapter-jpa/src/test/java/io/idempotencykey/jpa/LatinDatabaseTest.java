package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import java.sql.SQLException;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
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
            IdempotencyKeyService<EntityManager> keys = new IdempotencyKeyService<>(new JpaKeyStore(factory));
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
            IdempotencyKeyService<EntityManager> keys = new IdempotencyKeyService<>(new JpaKeyStore(factory));

            keys.once("order", ID, request, stage -> TestApplication.RESPONSE);

            assertThat(keys.once("order", ID, request, stage -> TestApplication.RESPONSE)
                            .replayed())
                    .isTrue();
            assertThat(keys.retrieve(ID).request().parameters()).isEqualTo(request.parameters());
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
