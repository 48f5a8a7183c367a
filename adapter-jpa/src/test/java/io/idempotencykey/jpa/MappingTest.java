package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.Isolation;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import jakarta.persistence.AttributeConverter;
import jakarta.persistence.Column;
import jakarta.persistence.Converter;
import jakarta.persistence.Entity;
import jakarta.persistence.EntityManagerFactory;
import jakarta.persistence.Id;
import jakarta.persistence.Table;
import java.sql.SQLException;
import java.time.Instant;
import java.util.Map;
import org.hibernate.boot.model.naming.Identifier;
import org.hibernate.boot.model.naming.PhysicalNamingStrategyStandardImpl;
import org.hibernate.engine.jdbc.env.spi.JdbcEnvironment;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The store needs a table; whether the application maps it, and how, is the application's. */
class MappingTest {
    @OnH2AndPostgresql
    void theStoreWorksWithoutAMapping(TestDatabase database) throws SQLException {
        String url = database.create();
        try (HikariDataSource pool = TestDatabase.pool(url, 3);
                EntityManagerFactory factory = TestApplication.factory(pool, Map.of(), ContractRow.class)) {
            works(url, factory);
        }
    }

    @ParameterizedTest
    @CsvSource({"H2, set schema other", "POSTGRESQL, set search_path to other"})
    void withoutAMappingTheTableIsInHibernatesDefaultSchema(TestDatabase database, String use) throws SQLException {
        String url = database.create();
        TestDatabase.execute(url, "drop table idempotency_key", "create schema other", use, database.schema());
        try (HikariDataSource pool = TestDatabase.pool(url, 3);
                EntityManagerFactory factory =
                        TestApplication.factory(pool, Map.of("hibernate.default_schema", "other"), ContractRow.class)) {
            JpaStoreFixture.assertWorks(new JpaKeyStore(factory));
            assertThat(TestApplication.ask(url, "select count(*) from other.idempotency_key"))
                    .containsExactly("1");
        }
    }

    @Test
    void renamedColumnsAreRefused() {
        try (HikariDataSource pool = TestDatabase.pool(TestDatabase.H2.create(), 3);
                EntityManagerFactory factory =
                        TestDatabase.factory(pool, Map.of("hibernate.physical_naming_strategy", new Prefixing()))) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> new JpaKeyStore(factory))
                    .withMessageContaining("c_scope")
                    .withMessageContaining("naming strategy");
        }
    }

    private static final class Prefixing extends PhysicalNamingStrategyStandardImpl {
        private static final long serialVersionUID = 1L;

        @Override
        public Identifier toPhysicalColumnName(Identifier name, JdbcEnvironment environment) {
            return Identifier.toIdentifier("c_" + name.getText());
        }
    }

    @ParameterizedTest
    @CsvSource({
        "hibernate.globally_quoted_identifiers, true",
        "hibernate.type.preferred_boolean_jdbc_type, INTEGER",
        "hibernate.type.preferred_uuid_jdbc_type, VARCHAR",
        "hibernate.type.preferred_instant_jdbc_type, TIMESTAMP",
        "hibernate.jdbc.time_zone, Pacific/Auckland"
    })
    void aSettingOfTheMappingChangesNothing(String setting, String value) throws SQLException {
        String url = TestDatabase.POSTGRESQL.create();
        try (HikariDataSource pool = TestDatabase.pool(url, 3);
                EntityManagerFactory factory = TestDatabase.factory(pool, Map.of(setting, value))) {
            works(url, factory);
        }
    }

    /** Also where the table is named by the adapter, because nothing maps it. */
    @Test
    void globallyQuotedIdentifiersWorkWithoutAMapping() throws SQLException {
        String url = TestDatabase.POSTGRESQL.create();
        try (HikariDataSource pool = TestDatabase.pool(url, 3);
                EntityManagerFactory factory = TestApplication.factory(
                        pool, Map.of("hibernate.globally_quoted_identifiers", "true"), ContractRow.class)) {
            works(url, factory);
        }
    }

    @OnH2AndPostgresql
    void anEntityOfTheApplicationMayHaveTheSameName(TestDatabase database) throws SQLException {
        String url = database.create();
        TestDatabase.execute(url, "create table door (name varchar(20) primary key)");
        try (HikariDataSource pool = TestDatabase.pool(url, 3);
                EntityManagerFactory factory = TestApplication.factory(
                        pool, Map.of(), IdempotencyKeyEntity.class, ContractRow.class, Door.class)) {
            works(url, factory);
        }
    }

    @Entity(name = "IdempotencyKey")
    @Table(name = "door")
    static class Door {
        @Id
        @Column(name = "name", length = 20)
        String name = "";
    }

    /** The columns are the adapter's, and hold what its own statements write. */
    @OnH2AndPostgresql
    void convertersOfTheApplicationLeaveTheMappingAlone(TestDatabase database) {
        try (HikariDataSource pool = TestDatabase.pool(database.create(), 3);
                EntityManagerFactory factory = TestApplication.factory(
                        pool,
                        Map.of(),
                        IdempotencyKeyEntity.class,
                        ContractRow.class,
                        YesOrNo.class,
                        Milliseconds.class)) {
            StoredKey key = JpaStoreFixture.held(new JpaKeyStore(factory));

            Object[] read = TestDatabase.inTransaction(
                    factory,
                    em -> em.createQuery(
                                    "select k.requestComplete, k.createdAt from IdempotencyKeyEntity k", Object[].class)
                            .getSingleResult());

            assertThat(read)
                    .containsExactly(
                            key.key().creation().request().isComplete(),
                            key.key().creation().createdAt());
        }
    }

    @Converter(autoApply = true)
    static class YesOrNo implements AttributeConverter<Boolean, String> {
        @Override
        public @Nullable String convertToDatabaseColumn(@Nullable Boolean value) {
            return value == null ? null : value ? "yes" : "no";
        }

        @Override
        public @Nullable Boolean convertToEntityAttribute(@Nullable String column) {
            return column == null ? null : Boolean.valueOf(column.equals("yes"));
        }
    }

    @Converter(autoApply = true)
    static class Milliseconds implements AttributeConverter<Instant, Long> {
        @Override
        public @Nullable Long convertToDatabaseColumn(@Nullable Instant value) {
            return value == null ? null : value.toEpochMilli();
        }

        @Override
        public @Nullable Instant convertToEntityAttribute(@Nullable Long column) {
            return column == null ? null : Instant.ofEpochMilli(column);
        }
    }

    static void works(String url, EntityManagerFactory factory) throws SQLException {
        works(url, new JpaKeyStore(factory));
    }

    static void works(String url, JpaKeyStore store) throws SQLException {
        StoredKey held = JpaStoreFixture.held(store);
        StoredKey next = JpaStoreFixture.next(held);
        assertThat(store.commitStage(held, Isolation.SERIALIZABLE, JpaStoreFixture.LEASE, em -> {
                    em.persist(new ContractRow("row", "1"));
                    return next.progress();
                }))
                .isEqualTo(StageCommit.committed());
        assertThat(store.find(held.id())).contains(next);
        StoredKey replaced = JpaStoreFixture.next(next);
        assertThat(store.replace(next.revision(), replaced)).isTrue();
        assertThat(store.findResumable(Map.of(), null, JpaStoreFixture.LATER, 9))
                .containsExactly(replaced);
        assertThat(TestApplication.rows(url)).containsExactly("row");
    }
}
