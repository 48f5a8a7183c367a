package io.idempotencykey.jpa;

import io.idempotencykey.Isolation;
import java.sql.Connection;
import org.junit.jupiter.api.Test;

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
}
