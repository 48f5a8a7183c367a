package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The statements that a stage's own connection refuses. */
class EndingStatementsTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "commit",
                "COMMIT AND CHAIN",
                "rollback",
                "rollback work",
                "begin",
                "start transaction",
                "start /* a */ transaction",
                " -- a\n /* b */ ; commit",
                "insert into a values (';'); commit",
                "insert into a values ('x') /* ; */ ; rollback",
                "select 1; ; commit",
                "select 'a\\\\'; commit"
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
                "set @a = 1",
                "set @note = 'the autocommit setting'",
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
                "xa end 'a'",
                "create temporary sequence a",
                "set autocommit = 1",
                "set @a = 1, @@session.autocommit = 1",
                "set @a = ';', `autocommit` = 1, @b = `c`",
                "set local autocommit := 1",
                "/*!50000 commit */",
                "/*M! commit */"
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
                "create /* a */ temporary table a (b int)",
                "drop prepare a",
                "analyze select 1",
                "set session sql_mode = ''",
                "reset persist",
                "insert into a values ('Don\\'t panic; drop it')",
                "insert into a values (\"say \\\"no\\\"; drop it\")",
                "if 1 = 1 then update a set b = 1; end if",
                "case when 1 = 1 then update a set b = 1; end case",
                "for a in (select 1 b) do update c set d = 1; end for",
                "load data infile 'a' into table a"
            })
    void whatMysqlAndMariadbCommitNothingBeforeIsLetThrough(String sql) {
        assertThat(EndingStatements.INNODB.contain(sql)).isFalse();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "create table a (b int)",
                "create local temporary table a as select (1) transactional",
                "create view a (b) as select 1",
                "declare local temporary table a (b int)",
                "refresh materialized view a",
                "deallocate a",
                "truncate table a",
                "prepare commit a",
                "shutdown",
                "set autocommit true",
                "set mode mysql"
            })
    void whatH2CommitsBeforeIsKnown(String sql) {
        assertThat(EndingStatements.H2.contain(sql)).isTrue();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "create local temporary table a (b int) transactional",
                "declare local temporary table a (b int) transactional",
                "set catalog a",
                "set schema_search_path a",
                "call 1",
                "merge into a values (1)"
            })
    void whatH2CommitsNothingBeforeIsLetThrough(String sql) {
        assertThat(EndingStatements.H2.contain(sql)).isFalse();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "end",
                "abort",
                "select 1; end",
                "prepare transaction 'a'",
                "select 1; prepare transaction 'a'",
                "create table a$$b (x int); commit; create table c$$d (x int)",
                "create table a (b text default 'begin atomic'); commit",
                "select '\\'; commit; select '\\'"
            })
    void whatEndsATransactionOnPostgresqlIsKnown(String sql) {
        assertThat(EndingStatements.POSTGRESQL.contain(sql)).isTrue();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "select E'it\\'s; commit'",
                "/* /* */ ; commit */ select 1",
                "select 1 /* /* */ ; commit; */",
                "set application_name = 'autocommit test'",
                "set my.autocommit = 'x'",
                "select $a$; commit $A$ $a$"
            })
    void whatEndsNoneOnPostgresqlIsLetThrough(String sql) {
        assertThat(EndingStatements.POSTGRESQL.contain(sql)).isFalse();
    }

    @Test
    void aLongTextIsReadWithoutALongStack() {
        String text = "/* '; commit' ".repeat(4) + "'".repeat(1_000_000) + " */".repeat(4);
        assertThat(EndingStatements.POSTGRESQL.contain("set a = '" + "''; ".repeat(1_000_000) + "'"))
                .isFalse();
        assertThat(EndingStatements.POSTGRESQL.contain(text)).isFalse();
        assertThat(EndingStatements.INNODB.contain("do '" + "\\'; ".repeat(1_000_000) + "'"))
                .isFalse();
    }
}
