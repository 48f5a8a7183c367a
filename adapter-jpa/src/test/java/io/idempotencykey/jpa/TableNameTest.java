package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.zaxxer.hikari.HikariDataSource;
import jakarta.persistence.EntityManagerFactory;
import java.sql.SQLException;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The keys' table has the name that the application gives it. */
class TableNameTest {
    @ParameterizedTest
    @CsvSource({"H2, request", "H2, other.request", "POSTGRESQL, request", "POSTGRESQL, other.request"})
    void theTableMayHaveAnotherName(TestDatabase database, String name) throws SQLException {
        String url = database.create();
        TestDatabase.execute(
                url,
                "drop table idempotency_key",
                "create schema other",
                database.schema()
                        .replaceAll("(create table (if not exists )?|on )idempotency_key ", "$1" + name + " "));
        try (HikariDataSource pool = TestDatabase.pool(url, 3);
                EntityManagerFactory factory = TestApplication.factory(pool, Map.of(), ContractRow.class)) {
            MappingTest.works(url, JpaKeyStore.builder(factory).table(name).build());
            assertThat(TestApplication.ask(url, "select count(*) from " + name)).containsExactly("1");
        }
    }

    /** The name is as Hibernate gives it, which leaves a catalog out on PostgreSQL. */
    @Test
    void theDefaultCatalogMayBeTheDatabase() throws SQLException {
        String url = TestDatabase.POSTGRESQL.create();
        String name = TestApplication.ask(url, "select current_database()").get(0);
        worksWithout(url, Map.of("hibernate.default_catalog", name));
    }

    /** As Hibernate passes over it, because there a schema is a catalog. */
    @Tag("databases")
    @Test
    void aDefaultSchemaIsPassedOverOnMysql() throws SQLException {
        worksWithout(TestDatabase.MYSQL.create(), Map.of("hibernate.default_schema", "public"));
    }

    private static void worksWithout(String url, Map<String, ?> properties) throws SQLException {
        try (HikariDataSource pool = TestDatabase.pool(url, 3);
                EntityManagerFactory factory = TestApplication.factory(pool, properties, ContractRow.class)) {
            MappingTest.works(url, factory);
        }
    }

    /** The name wins over the mapping's, which isn't wrong, but another table's. */
    @Test
    void aMappedTableMayBeAnother() throws SQLException {
        String url = TestDatabase.H2.create();
        TestDatabase.execute(
                url,
                TestDatabase.H2
                        .schema()
                        .replaceAll("(create table (if not exists )?|on )idempotency_key ", "$1request ")
                        .replaceAll("idempotency_key_(\\w+)", "request_$1"));
        try (HikariDataSource pool = TestDatabase.pool(url, 3);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            MappingTest.works(url, JpaKeyStore.builder(factory).table("request").build());
            assertThat(TestApplication.ask(url, "select count(*) from request")).containsExactly("1");
            assertThat(TestApplication.ask(url, "select count(*) from idempotency_key"))
                    .containsExactly("0");
        }
    }

    @Test
    void aTableThatIsNotThereIsRefused() {
        try (HikariDataSource pool = TestDatabase.pool(TestDatabase.POSTGRESQL.create(), 3);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            assertThatIllegalArgumentException()
                    .isThrownBy(
                            () -> JpaKeyStore.builder(factory).table("absent").build())
                    .withMessageContaining("absent")
                    .withMessageContaining("postgresql.sql");
        }
    }
}
