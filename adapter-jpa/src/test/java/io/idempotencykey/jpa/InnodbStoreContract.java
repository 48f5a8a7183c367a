package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.Isolation;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import jakarta.persistence.EntityManagerFactory;
import java.sql.Connection;
import org.hibernate.Session;
import org.hibernate.SessionFactory;
import org.junit.jupiter.api.Test;
import org.springframework.transaction.TransactionDefinition;

/** What MySQL and MariaDB have in common beyond all stores. */
abstract class InnodbStoreContract extends JpaStoreContract {
    InnodbStoreContract(TestDatabase database) {
        super(database);
    }

    /** The error is 1364, which has no SQL state but HY000. */
    @Test
    void aMissingValueIsTheStagesOwnError() {
        with((store, factory, pool) -> {
            try (Connection connection = pool.getConnection()) {
                TestDatabase.execute(connection, "create table strict (a int not null, b int)");
            }
            StoredKey held = held(store);

            StageCommit end = store.commitStage(held, Isolation.SERIALIZABLE, LEASE, em -> {
                em.createNativeQuery("insert into strict (b) values (1)").executeUpdate();
                return next(held).progress();
            });

            assertThat(nameOf(end)).isEqualTo("rolled back");
        });
    }

    @Test
    void aDeadlockThatAProcedureSwallowsNeverMovesTheKey() {
        with((store, factory, pool) -> noKeyMovesWithoutItsWrites(store, factory));
    }

    @Test
    void aDeadlockThatAProcedureSwallowsInAJtaTransactionNeverMovesTheKey() throws Exception {
        jta((store, factory, manager) -> noKeyMovesWithoutItsWrites(store, factory));
    }

    @Test
    void aDeadlockThatAProcedureSwallowsInSpringsTransactionNeverMovesTheKey() {
        spring(
                TransactionDefinition.PROPAGATION_REQUIRES_NEW,
                (store, outer, em) -> noKeyMovesWithoutItsWrites(store, em.getEntityManagerFactory()));
    }

    /** The client sees no error, and no warning. */
    private static void noKeyMovesWithoutItsWrites(JpaKeyStore store, EntityManagerFactory factory) throws Exception {
        try (Session session = factory.unwrap(SessionFactory.class).openSession()) {
            session.doWork(connection -> TestDatabase.execute(
                    connection,
                    "create procedure quiet(n varchar(50)) begin"
                            + " declare continue handler for sqlexception begin end;"
                            + " update contract_row set content = '1' where name = n; end"));
        }
        assertThat(keysMovedWithoutTheirWrites(store, "call quiet")).isZero();
    }
}
