package io.idempotencykey.jpa;

import io.idempotencykey.Isolation;
import java.sql.Connection;
import org.junit.jupiter.api.Test;

/** What MySQL and MariaDB have in common beyond all stores. */
abstract class InnodbStoreContract extends JpaStoreContract {
    InnodbStoreContract(TestDatabase database) {
        super(database);
    }

    /** The error is 1364, which has no SQL state but HY000. */
    @Test
    void aMissingValueIsTheStagesOwnError() throws Exception {
        with((store, factory, pool) -> {
            try (Connection connection = pool.getConnection()) {
                TestDatabase.execute(connection, "create table strict (a int not null, b int)");
            }
            assertRolledBack(
                    store,
                    Isolation.SERIALIZABLE,
                    em -> em.createNativeQuery("insert into strict (b) values (1)")
                            .executeUpdate());
        });
    }
}
