package io.idempotencykey.jpa;

import static io.idempotencykey.contract.Services.askingTheStore;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.KeyId;
import io.idempotencykey.Request;
import io.idempotencykey.service.IdempotencyKeyService;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A table in which a store's promises wouldn't hold is found out when the store is made, and left as it was. */
class WrongTableTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "drop table idempotency_key",
                "alter table idempotency_key drop column last_error",
                "alter table idempotency_key drop column quarantine_reason",
                "alter table idempotency_key drop constraint idempotency_key_pkey",
                "alter table idempotency_key drop constraint idempotency_key_pkey, add primary key (key_value, scope,"
                        + " revision)",
                "alter table idempotency_key drop constraint idempotency_key_pkey, add primary key (key_value)",
                "alter table idempotency_key add column tenant varchar(10) not null",
                "alter table idempotency_key alter column request_parameters type jsonb using request_parameters::jsonb",
                "alter table idempotency_key alter column key_value type varchar(20)",
                "alter table idempotency_key alter column created_at type timestamptz(0)",
                "alter table idempotency_key alter column revision type varchar(36)",
                "create collation same (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
                        + " alter table idempotency_key alter column key_value type varchar(255) collate same",
                "create collation digits (provider = icu, locale = 'und-u-kn', deterministic = false);"
                        + " alter table idempotency_key alter column key_value type varchar(255) collate digits",
                "create collation words (provider = icu, locale = 'und-u-ka-shifted', deterministic = false);"
                        + " alter table idempotency_key alter column key_value type varchar(255) collate words",
                "alter table idempotency_key alter column key_value type char(255)",
                "alter table idempotency_key alter column scope type char(255)",
                "alter table idempotency_key alter column scope type char(255), alter column key_value type char(255)",
                "alter table idempotency_key drop constraint idempotency_key_state_check,"
                        + " add check (state in ('open', 'locked', 'finished', 'quarantined'))",
                "alter table idempotency_key add unique (key_value)",
                "create unique index beginnings on idempotency_key (scope, left(key_value, 100))",
                // The semicolon is escaped, because changes are split at theirs.
                "create function keep() returns trigger language plpgsql as E'begin return old\\x3b end';"
                        + " create trigger keep before update on idempotency_key for each row execute function keep()",
                "alter table idempotency_key alter column due_at type timestamp(3)",
                "alter table idempotency_key set unlogged",
                "alter table idempotency_key rename to old;"
                        + " create table idempotency_key (like old including all) partition by hash (scope);"
                        + " create table one partition of idempotency_key for values with (modulus 2, remainder 0);"
                        + " create unlogged table two partition of idempotency_key for values with (modulus 2,"
                        + " remainder 1)"
            })
    void aWrongTableOnPostgresqlIsRefused(String change) throws SQLException {
        refused(TestDatabase.POSTGRESQL, "postgresql.sql", change);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "drop table idempotency_key",
                "alter table idempotency_key drop column last_error",
                "alter table idempotency_key drop primary key",
                "alter table idempotency_key add column tenant varchar(10) not null",
                "alter table idempotency_key alter column key_value varchar_ignorecase(255) not null",
                "alter table idempotency_key alter column key_value varchar(20) not null",
                "alter table idempotency_key alter column key_value char(255) not null",
                "alter table idempotency_key alter column scope char(255) not null",
                "alter table idempotency_key alter column request_parameters varchar(10) not null",
                "alter table idempotency_key alter column due_at timestamp(3)"
            })
    void aWrongTableOnH2IsRefused(String change) throws SQLException {
        refused(TestDatabase.H2, "h2.sql", change);
    }

    @Tag("databases")
    @ParameterizedTest
    @ValueSource(
            strings = {
                "drop table idempotency_key",
                "alter table idempotency_key drop column last_error",
                "alter table idempotency_key drop primary key",
                "alter table idempotency_key drop primary key, add primary key (scope(100), key_value(100))",
                "alter table idempotency_key add column tenant varchar(10) not null",
                "alter table idempotency_key engine = MyISAM",
                "alter table idempotency_key modify key_value varchar(255) character set ascii collate"
                        + " ascii_general_ci not null",
                "alter table idempotency_key modify scope varchar(255) character set utf8mb4 collate"
                        + " utf8mb4_general_ci not null",
                "alter table idempotency_key modify created_at datetime not null",
                "alter table idempotency_key modify due_at timestamp(3) null",
                "alter table idempotency_key modify response_body blob"
            })
    void aWrongTableOnMariadbIsRefused(String change) throws SQLException {
        refused(TestDatabase.MARIADB, "mariadb.sql", change);
    }

    @Tag("databases")
    @ParameterizedTest
    @ValueSource(
            strings = {
                "drop table idempotency_key",
                "alter table idempotency_key drop primary key",
                "alter table idempotency_key drop primary key, add primary key (scope(100), key_value(100))",
                "create trigger keep before update on idempotency_key for each row set new.revision = old.revision",
                "alter table idempotency_key modify key_value varchar(255) collate utf8mb4_0900_ai_ci not null",
                "alter table idempotency_key modify request_parameters json not null",
                "alter table idempotency_key modify due_at timestamp(3) null"
            })
    void aWrongTableOnMysqlIsRefused(String change) throws SQLException {
        refused(TestDatabase.MYSQL, "mysql.sql", change);
    }

    /** Where the server stores a question mark for what a column can't hold, and says nothing. */
    @Tag("databases")
    @ParameterizedTest
    @CsvSource({"MYSQL, latin1", "MYSQL, utf8mb3", "MARIADB, latin1", "MARIADB, utf8mb3"})
    void aTableThatLosesCharactersIsRefusedWhereTheServerIsNotStrict(TestDatabase database, String characters)
            throws SQLException {
        String url = withParametersIn(characters, database);
        String lenient = url + "&sessionVariables=sql_mode=''&jdbcCompliantTruncation=false";

        assertRefused(lenient, database == TestDatabase.MYSQL ? "mysql.sql" : "mariadb.sql");
        assertThat(TestApplication.ask(url, "select count(*) from idempotency_key"))
                .containsExactly("0");
    }

    /** JSON keeps each character by its escape, after the server has refused it once. */
    @Tag("databases")
    @ParameterizedTest
    @CsvSource({"MYSQL, latin1", "MYSQL, utf8mb3", "MARIADB, latin1", "MARIADB, utf8mb3"})
    void aTableThatRefusesCharactersIsTaken(TestDatabase database, String characters) throws SQLException {
        String url = withParametersIn(characters, database);
        Request request = Request.of("POST", "/carts", Map.of("price", "10 €😀"));
        try (HikariDataSource pool = TestDatabase.pool(url, 3);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            IdempotencyKeyService<EntityManager> keys = askingTheStore(new JpaKeyStore(factory));

            keys.once("order", KeyId.of("key"), request, stage -> TestApplication.RESPONSE);

            assertThat(keys.retrieve(KeyId.of("key")).request().parameters()).isEqualTo(request.parameters());
        }
    }

    private static String withParametersIn(String characters, TestDatabase database) throws SQLException {
        String url = database.create();
        TestDatabase.execute(
                url,
                "alter table idempotency_key modify request_parameters longtext character set " + characters
                        + " not null");
        return url;
    }

    private static void refused(TestDatabase database, String file, String change) throws SQLException {
        String url = database.create();
        TestDatabase.execute(url, change);
        assertRefused(url, file);
        if (!change.startsWith("drop table")) {
            assertThat(TestApplication.ask(url, "select count(*) from idempotency_key"))
                    .containsExactly("0");
        }
    }

    private static void assertRefused(String url, String file) {
        try (HikariDataSource pool = TestDatabase.pool(url, 3);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> new JpaKeyStore(factory))
                    .withMessageContaining("idempotency_key")
                    .withMessageContaining(file);
        }
    }

    /** Hibernate's own table has a column of jsonb, and on MariaDB merges keys. */
    @Test
    void aTableThatHibernateMadeOnPostgresqlIsRefused() throws SQLException {
        String url = TestDatabase.POSTGRESQL.create();
        TestDatabase.execute(url, "drop table idempotency_key");
        try (HikariDataSource pool = TestDatabase.pool(url, 3);
                EntityManagerFactory factory = TestDatabase.factory(pool, Map.of("hibernate.hbm2ddl.auto", "update"))) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> new JpaKeyStore(factory))
                    .withMessageContaining("postgresql.sql");
        }
    }

    /** A right table may be in use, and may have more columns and indexes than it needs. */
    @ParameterizedTest
    @EnumSource(
            value = TestDatabase.class,
            names = {"H2", "POSTGRESQL"})
    void aRightTableIsTakenAndLeftAsItWas(TestDatabase database) throws SQLException {
        String url = database.create();
        TestDatabase.execute(
                url,
                "alter table idempotency_key add column note varchar(10)",
                "create index of_ours on idempotency_key (operation)");
        try (HikariDataSource pool = TestDatabase.pool(url, 3);
                EntityManagerFactory factory = TestDatabase.factory(pool);
                Connection other = DriverManager.getConnection(url)) {
            assertThat(new JpaKeyStore(factory).insert(JpaStoreContract.sample("scope")))
                    .isTrue();
            other.setAutoCommit(false);
            TestDatabase.execute(other, "update idempotency_key set attempts = 9");

            JpaKeyStore second = new JpaKeyStore(factory);

            other.rollback();
            assertThat(second.insert(JpaStoreContract.sample("other"))).isTrue();
        }
        assertThat(TestApplication.ask(url, "select scope from idempotency_key order by scope"))
                .containsExactly("other", "scope");
    }
}
