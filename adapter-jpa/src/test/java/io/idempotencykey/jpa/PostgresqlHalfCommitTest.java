package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.Isolation;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import java.util.Collections;
import java.util.List;
import org.hibernate.Session;
import org.junit.jupiter.api.Test;

class PostgresqlHalfCommitTest extends JpaHalfCommitContract {
    private static final String CONFLICT = "do $$ begin raise exception 'conflict' using errcode = '40001'; end $$";

    PostgresqlHalfCommitTest() {
        super(TestDatabase.POSTGRESQL);
    }

    @Test
    void whatEndsATransactionIsKnown() throws Exception {
        assertEndsAreKnown(
                EndingStatements.POSTGRESQL::contain,
                "create table a$$b (x int); commit; create table c$$d (x int)",
                "create table a (b text default 'begin atomic'); commit",
                "select '\\'; commit; select '\\'",
                "select E'it\\'s; commit'",
                "select date'2000-01-01', $a$; commit $A$ $a$",
                "/* /* */ ; commit */ select 1",
                "set application_name = 'autocommit test'",
                "do $$ begin perform 1; end $$",
                "create function f() returns int language sql begin atomic select 1; end");
    }

    /** The savepoint shows on PostgreSQL that the transaction of the conflict is another one. */
    @Test
    void aStageThatCommitsOnTheRawConnectionAndMeetsAConflictThenIsRunOnce() throws Exception {
        spring((store, outer, em) -> assertCommittedOnce(store));
        jta((store, factory, manager) -> {
            Isolation isolation = Collections.max(store.isolations());
            StoredKey held = held(store);
            StageCommit end = store.commitStage(held, isolation, LEASE, em -> {
                em.createNativeQuery(CONFLICT).executeUpdate();
                return next(held).progress();
            });
            assertThat(nameOf(end)).isEqualTo("transiently rolled back");
        });
    }

    private static void assertCommittedOnce(JpaKeyStore store) {
        for (Way way : Way.values()) {
            for (String ends : List.of("commit", "auto-commit", "nothing")) {
                StoredKey key = way.key(store);
                StageCommit end = way.commit(store, key, Isolation.SERIALIZABLE, em -> {
                    em.unwrap(Session.class).doWork(connection -> {
                        TestDatabase.execute(
                                connection, "insert into contract_row values ('" + way + " " + ends + "', '1')");
                        switch (ends) {
                            case "commit" -> connection.commit();
                            case "auto-commit" -> connection.setAutoCommit(true);
                            default -> {}
                        }
                        TestDatabase.execute(connection, CONFLICT);
                    });
                    return next(key).progress();
                });
                assertThat(nameOf(end))
                        .as(ends)
                        .isEqualTo(ends.equals("nothing") ? "transiently rolled back" : "rolled back");
                assertThat(way.hasMoved(store, key)).isFalse();
            }
        }
        assertThat(rows(store, Isolation.SERIALIZABLE))
                .containsExactlyInAnyOrder(
                        "STAGED commit", "STAGED auto-commit", "SINGLE commit", "SINGLE auto-commit");
    }
}
