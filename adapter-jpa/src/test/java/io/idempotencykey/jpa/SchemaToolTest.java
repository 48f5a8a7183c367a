package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import jakarta.persistence.EntityManagerFactory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import liquibase.Contexts;
import liquibase.Liquibase;
import liquibase.UpdateSummaryOutputEnum;
import liquibase.database.DatabaseFactory;
import liquibase.database.jvm.JdbcConnection;
import liquibase.exception.LiquibaseException;
import liquibase.resource.ClassLoaderResourceAccessor;
import liquibase.resource.CompositeResourceAccessor;
import liquibase.resource.DirectoryResourceAccessor;
import org.flywaydb.core.Flyway;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The schema's file makes the table in the ways in which applications run such files, and again does nothing. */
class SchemaToolTest {
    @TempDir
    private Path directory;

    @OnH2AndPostgresql
    void theFileMayRunAgain(TestDatabase database) throws SQLException {
        runAgain(database);
    }

    @Tag("databases")
    @Test
    void theFileMayRunAgainOnMariadb() throws SQLException {
        runAgain(TestDatabase.MARIADB);
    }

    private static void runAgain(TestDatabase database) throws SQLException {
        String url = database.create();
        try (HikariDataSource pool = TestDatabase.pool(url, 3);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            JpaKeyStore store = new JpaKeyStore(factory);
            var held = JpaStoreFixture.held(store);

            TestDatabase.execute(url, database.schema());

            assertThat(store.find(held.id())).contains(held);
        }
    }

    /** As a tool splits it that knows no comments. */
    @OnH2AndPostgresql
    void theFileMayBeSplitAtEverySemicolon(TestDatabase database) throws SQLException {
        splitAtEverySemicolon(database);
    }

    @Tag("databases")
    @ParameterizedTest
    @EnumSource(names = {"MARIADB", "MYSQL"})
    void theFileMayBeSplitAtEverySemicolonElsewhere(TestDatabase database) throws SQLException {
        splitAtEverySemicolon(database);
    }

    private static void splitAtEverySemicolon(TestDatabase database) throws SQLException {
        String url = empty(database);
        try (Connection connection = DriverManager.getConnection(url)) {
            for (int run = 0; run < 2; run++) {
                for (String sql : database.schema().split(";", -1)) {
                    if (!sql.isBlank()) {
                        TestDatabase.execute(connection, sql);
                    }
                }
            }
        }
        assertWorks(url);
    }

    @OnH2AndPostgresql
    void flywayRunsTheFile(TestDatabase database) throws SQLException, IOException {
        String url = empty(database);
        Files.writeString(directory.resolve("V1__idempotency_key.sql"), database.schema());
        for (int i = 0; i < 2; i++) {
            int migrations = Flyway.configure()
                    .dataSource(url, null, null)
                    .locations("filesystem:" + directory)
                    .load()
                    .migrate()
                    .migrationsExecuted;
            assertThat(migrations).isEqualTo(1 - i);
        }
        assertWorks(url);
    }

    @OnH2AndPostgresql
    void liquibaseRunsTheFileFromTheClassPath(TestDatabase database)
            throws SQLException, IOException, LiquibaseException {
        String url = empty(database);
        String file = database == TestDatabase.H2 ? "h2.sql" : "postgresql.sql";
        Files.writeString(directory.resolve("changelog.xml"), """
                <databaseChangeLog xmlns="http://www.liquibase.org/xml/ns/dbchangelog"
                    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
                    xsi:schemaLocation="http://www.liquibase.org/xml/ns/dbchangelog
                        http://www.liquibase.org/xml/ns/dbchangelog/dbchangelog-4.20.xsd">
                  <changeSet id="idempotency_key" author="test">
                    <sqlFile path="io/idempotencykey/jpa/schema/%s"/>
                  </changeSet>
                </databaseChangeLog>
                """.formatted(file));
        for (int i = 0; i < 2; i++) {
            try (Connection connection = DriverManager.getConnection(url);
                    Liquibase liquibase = new Liquibase(
                            "changelog.xml",
                            new CompositeResourceAccessor(
                                    new DirectoryResourceAccessor(directory),
                                    new ClassLoaderResourceAccessor(JpaKeyStore.class.getClassLoader())),
                            DatabaseFactory.getInstance()
                                    .findCorrectDatabaseImplementation(new JdbcConnection(connection)))) {
                liquibase.setShowSummaryOutput(UpdateSummaryOutputEnum.LOG);
                liquibase.update(new Contexts());
            }
        }
        assertThat(TestApplication.ask(url, "select count(*) from databasechangelog"))
                .containsExactly("1");
        assertWorks(url);
    }

    private static String empty(TestDatabase database) throws SQLException {
        String url = database.create();
        TestDatabase.execute(url, "drop table idempotency_key", "drop table contract_row");
        return url;
    }

    private static void assertWorks(String url) throws SQLException {
        TestDatabase.execute(url, "create table contract_row (name varchar(200) primary key, content varchar(200))");
        try (HikariDataSource pool = TestDatabase.pool(url, 3);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            MappingTest.works(url, factory);
        }
    }
}
