package io.idempotencykey.jpa;

import static io.idempotencykey.contract.Services.askingTheStore;
import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.service.Claim;
import io.idempotencykey.service.IdempotencyKeyService;
import jakarta.persistence.EntityManager;
import java.sql.Connection;
import java.time.Instant;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PostgresqlStoreTest extends JpaStoreContract {
    PostgresqlStoreTest() {
        super(TestDatabase.POSTGRESQL);
    }

    /** PostgreSQL's fence goes along with the commit, and fails by an error, too. */
    @Test
    void aDivisionByZeroInATriggerAtTheCommitIsTheStagesOwnError() throws Exception {
        with((store, factory, pool) -> {
            try (Connection connection = pool.getConnection()) {
                TestDatabase.execute(
                        connection,
                        "create function divide() returns trigger language plpgsql as 'begin return 1 / 0; end'");
                TestDatabase.execute(
                        connection,
                        "create constraint trigger divide after insert on contract_row initially deferred"
                                + " for each row execute function divide()");
            }
            assertRolledBack(store, Isolation.SERIALIZABLE, em -> em.persist(new ContractRow("row", "1")));
        });
    }

    /** The server may call a wait for a row that took too long a cancellation, if several transactions wait for it. */
    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void aWriteOfAKeyThatIsCancelledIsTriedAgain(int cancelled) throws Exception {
        with((store, factory, pool) -> {
            Instant at = Instant.parse("2020-01-01T00:00:00Z");
            StoredKey abandoned =
                    sample("scope", new KeyState.Locked(RecoveryPoint.STARTED, at, at.plusSeconds(30)), at);
            assertThat(store.insert(abandoned)).isTrue();
            IdempotencyKeyService<EntityManager> keys = askingTheStore(store);
            try (Connection connection = pool.getConnection()) {
                // A sequence counts those, too, whose transaction is rolled back.
                TestDatabase.execute(connection, "create sequence write");
                TestDatabase.execute(
                        connection,
                        "create function cancel() returns trigger language plpgsql as 'begin"
                                + " if nextval(''write'') % " + (cancelled + 1) + " <> 0 then"
                                + " raise exception using errcode = ''57014''; end if; return new; end'");
                TestDatabase.execute(
                        connection,
                        "create trigger cancel before insert or update on idempotency_key for each row execute"
                                + " function cancel()");
            }

            assertThat(keys.claim(KeyId.of("new"), TestApplication.REQUEST)).isInstanceOf(Claim.Claimed.class);
            assertThat(keys.claim(abandoned.id(), TestApplication.REQUEST)).isInstanceOf(Claim.Claimed.class);
            assertThat(keys.create("", "open", TestApplication.REQUEST).state()).isInstanceOf(KeyState.Open.class);
        });
    }
}
