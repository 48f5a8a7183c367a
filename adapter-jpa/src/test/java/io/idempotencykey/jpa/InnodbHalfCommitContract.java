package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;

import jakarta.persistence.EntityManagerFactory;
import org.hibernate.Session;
import org.hibernate.SessionFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A deadlock that a procedure of MySQL or MariaDB keeps to itself. */
abstract class InnodbHalfCommitContract extends JpaHalfCommitContract {
    InnodbHalfCommitContract(TestDatabase database) {
        super(database);
    }

    @ParameterizedTest
    @EnumSource(Way.class)
    void aDeadlockThatAProcedureSwallowsNeverMovesTheKey(Way way) throws Exception {
        with((store, factory, pool) -> noKeyMovesWithoutItsWrites(store, way, factory));
    }

    @ParameterizedTest
    @EnumSource(Way.class)
    void aDeadlockThatAProcedureSwallowsInAJtaTransactionNeverMovesTheKey(Way way) throws Exception {
        jta((store, factory, manager) -> noKeyMovesWithoutItsWrites(store, way, factory));
    }

    @ParameterizedTest
    @EnumSource(Way.class)
    void aDeadlockThatAProcedureSwallowsInSpringsTransactionNeverMovesTheKey(Way way) throws Exception {
        spring((store, outer, em) -> noKeyMovesWithoutItsWrites(store, way, em.getEntityManagerFactory()));
    }

    /** The client sees no error, and no warning. */
    private static void noKeyMovesWithoutItsWrites(JpaKeyStore store, Way way, EntityManagerFactory factory)
            throws Exception {
        try (Session session = factory.unwrap(SessionFactory.class).openSession()) {
            session.doWork(connection -> TestDatabase.execute(
                    connection,
                    "create procedure quiet(n varchar(50)) begin"
                            + " declare continue handler for sqlexception begin end;"
                            + " update contract_row set content = '1' where name = n; end"));
        }
        assertThat(keysMovedWithoutTheirWrites(store, way, "call quiet")).isZero();
    }
}
