package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The statements that a stage's own connection refuses. */
class EndingStatementsTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "commit",
                "COMMIT AND CHAIN",
                "end",
                "abort",
                "rollback",
                "rollback work",
                "begin",
                "start transaction",
                "set autocommit = 1",
                "set @a = 1, @@session.autocommit = 1",
                "set local autocommit = 1",
                " -- a\n /* b */ ; commit",
                "/*!50000 commit */",
                "/*M! commit */",
                "insert into a values (';'); commit",
                "insert into a values ('x') /* ; */ ; rollback",
                "select 1; ; end"
            })
    void whatEndsATransactionEverywhereIsKnown(String sql) {
        assertThat(EndingStatements.POSTGRESQL.contain(sql)).isTrue();
        assertThat(EndingStatements.INNODB.contain(sql)).isTrue();
        assertThat(EndingStatements.H2.contain(sql)).isTrue();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "select commit from a",
                "insert into a values ('; commit')",
                "insert into a values (\"; commit\") -- ; commit",
                "update a set b = `; end`",
                "rollback to a",
                "rollback work to savepoint a",
                "rollback transaction to a",
                "savepoint a",
                "release savepoint a",
                "set a = 1",
                "update a set autocommit = 1",
                "endless",
                "begin not atomic insert into a values (1); end",
                "do $$ begin perform 1; end $$",
                "do $a$ begin perform 1; end $a$; select 1",
            })
    void whatEndsNoneIsLetThrough(String sql) {
        assertThat(EndingStatements.POSTGRESQL.contain(sql)).isFalse();
        assertThat(EndingStatements.INNODB.contain(sql)).isFalse();
        assertThat(EndingStatements.H2.contain(sql)).isFalse();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "truncate table a",
                "create or replace table a (b int)",
                "alter table a add b int",
                "drop table a",
                "rename table a to b",
                "lock tables a read",
                "unlock tables",
                "analyze local table a",
                "grant select on a to b",
                "set password = 'a'",
                "start replica",
                "xa end 'a'"
            })
    void whatMysqlAndMariadbCommitBeforeIsKnown(String sql) {
        assertThat(EndingStatements.INNODB.contain(sql)).isTrue();
        assertThat(EndingStatements.POSTGRESQL.contain(sql)).isFalse();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "create temporary table a (b int)",
                "create or replace temporary table a (b int)",
                "drop temporary table a",
                "analyze select 1",
                "set session sql_mode = ''",
                "load data infile 'a' into table a"
            })
    void whatMysqlAndMariadbCommitNothingBeforeIsLetThrough(String sql) {
        assertThat(EndingStatements.INNODB.contain(sql)).isFalse();
    }

    @ParameterizedTest
    @ValueSource(strings = {"create table a (b int)", "truncate table a", "prepare commit a", "shutdown"})
    void whatH2CommitsBeforeIsKnown(String sql) {
        assertThat(EndingStatements.H2.contain(sql)).isTrue();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"create local temporary table a (b int) transactional", "call 1", "merge into a values (1)"})
    void whatH2CommitsNothingBeforeIsLetThrough(String sql) {
        assertThat(EndingStatements.H2.contain(sql)).isFalse();
    }

    @ParameterizedTest
    @ValueSource(strings = {"prepare transaction 'a'", "select 1; prepare transaction 'a'"})
    void postgresqlsTwoPhaseCommitIsKnown(String sql) {
        assertThat(EndingStatements.POSTGRESQL.contain(sql)).isTrue();
    }
}
