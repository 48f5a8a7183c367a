package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("databases")
class MysqlStatementTest extends JpaStatementContract {
    MysqlStatementTest() {
        super(TestDatabase.MYSQL);
    }

    /** Together with the bound on idle transactions a stage sets its own on waits, which is as long as the lease. */
    @Test
    void aRequestOfOneStageBoundsTheWaitOfItsInsertWhereTheDataSourceGivesNotAll() {
        with("&sessionVariables=transaction_isolation='SERIALIZABLE',innodb_lock_wait_timeout=1", world -> {
            place(world);

            assertThat(world.source().executed())
                    .filteredOn(sql -> sql.contains("_key_wait") || sql.startsWith("insert into idempotency_key "))
                    .satisfiesExactly(
                            bound -> assertThat(bound).endsWith(", session innodb_lock_wait_timeout = 1"),
                            insert -> assertThat(insert).startsWith("insert"),
                            restored -> assertThat(restored).endsWith("= @idempotency_key_wait"));
        });
    }
}
