package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.Isolation;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import java.sql.Connection;
import org.junit.jupiter.api.Test;

class PostgresqlStoreTest extends JpaStoreContract {
    PostgresqlStoreTest() {
        super(TestDatabase.POSTGRESQL);
    }

    /** PostgreSQL's fence goes along with the commit, and fails by an error, too. */
    @Test
    void aDivisionByZeroInATriggerAtTheCommitIsTheStagesOwnError() {
        with(TestDatabase.POSTGRESQL.create(), (store, factory, pool) -> {
            try (Connection connection = pool.getConnection()) {
                TestDatabase.execute(
                        connection,
                        "create function divide() returns trigger language plpgsql as 'begin return 1 / 0; end'");
                TestDatabase.execute(
                        connection,
                        "create constraint trigger divide after insert on contract_row initially deferred"
                                + " for each row execute function divide()");
            }
            StoredKey held = held(store);

            StageCommit end = store.commitStage(held, Isolation.SERIALIZABLE, LEASE, em -> {
                em.persist(new ContractRow("row", "1"));
                return next(held).progress();
            });

            assertThat(nameOf(end)).isEqualTo("rolled back");
            assertThat(store.find(held.id())).contains(held);
        });
    }
}
