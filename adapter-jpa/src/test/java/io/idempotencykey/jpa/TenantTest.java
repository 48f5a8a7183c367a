package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.Isolation;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import jakarta.persistence.Entity;
import jakarta.persistence.EntityManagerFactory;
import jakarta.persistence.Id;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.HashMap;
import java.util.Map;
import javax.sql.DataSource;
import org.hibernate.Version;
import org.hibernate.annotations.TenantId;
import org.hibernate.cfg.MultiTenancySettings;
import org.hibernate.context.spi.CurrentTenantIdentifierResolver;
import org.hibernate.engine.jdbc.connections.spi.AbstractDataSourceBasedMultiTenantConnectionProviderImpl;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.springframework.jdbc.datasource.DelegatingDataSource;

/** Where Hibernate prepares a connection for a tenant, no other connection is the tenant's. */
class TenantTest {
    private static final CurrentTenantIdentifierResolver<String> TENANT = new CurrentTenantIdentifierResolver<>() {
        @Override
        public String resolveCurrentTenantIdentifier() {
            return "a";
        }

        @Override
        public boolean validateExistingCurrentSessions() {
            return false;
        }
    };

    /** Settings of Hibernate 7.1 and later, by the interface that their value implements. */
    @ParameterizedTest
    @CsvSource({
        "hibernate.multi_tenant.schema_mapper, org.hibernate.context.spi.TenantSchemaMapper",
        "hibernate.multi_tenant.credentials_mapper, org.hibernate.context.spi.TenantCredentialsMapper"
    })
    void aSchemaOrAUserForEachTenantIsRefused(String setting, String type) throws SQLException {
        Class<?> mapper;
        try {
            mapper = Class.forName(type);
        } catch (ClassNotFoundException e) {
            assertThat(Version.getVersionString()).matches("(6|7\\.0)\\..*");
            return;
        }
        String url = TestDatabase.H2.create();
        TestDatabase.execute(url, "create schema a");
        Object same = Proxy.newProxyInstance(
                TenantTest.class.getClassLoader(), new Class<?>[] {mapper}, (self, method, arguments) -> arguments[0]);

        assertRefused(url, Map.of(setting, same), setting);
    }

    @Test
    void aDatabaseForEachTenantIsRefused() {
        String url = TestDatabase.H2.create();
        try (HikariDataSource pool = TestDatabase.pool(url, 2)) {
            assertRefused(
                    url,
                    Map.of(MultiTenancySettings.MULTI_TENANT_CONNECTION_PROVIDER, new OnePoolForAll(pool)),
                    "multi_tenant_connection_provider");
        }
    }

    private static void assertRefused(String url, Map<String, ?> properties, String named) {
        Map<String, Object> all = new HashMap<>(properties);
        all.put(MultiTenancySettings.MULTI_TENANT_IDENTIFIER_RESOLVER, TENANT);
        try (HikariDataSource pool = TestDatabase.pool(url, 2);
                EntityManagerFactory factory = TestDatabase.factory(pool, all)) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> new JpaKeyStore(factory))
                    .withMessageContaining("tenant")
                    .withMessageContaining(named);
        }
    }

    /** Hibernate itself puts the tenant into each row, whatever the connection. */
    @OnH2AndPostgresql
    void aStagesRowsHaveTheirTenant(TestDatabase database) throws SQLException {
        String url = database.create();
        TestDatabase.execute(url, "create table tenant_row (name varchar(20) primary key, tenant varchar(20))");
        try (HikariDataSource pool = TestDatabase.pool(url, 2);
                EntityManagerFactory factory = TestApplication.factory(
                        pool,
                        Map.of(MultiTenancySettings.MULTI_TENANT_IDENTIFIER_RESOLVER, TENANT),
                        IdempotencyKeyEntity.class,
                        TenantRow.class)) {
            JpaKeyStore store = new JpaKeyStore(factory);
            StoredKey held = JpaStoreFixture.held(store);

            assertThat(store.commitStage(held, Isolation.SERIALIZABLE, JpaStoreFixture.LEASE, em -> {
                        em.persist(new TenantRow("row"));
                        return JpaStoreFixture.next(held).progress();
                    }))
                    .isEqualTo(StageCommit.committed());

            assertThat(TestApplication.ask(url, "select tenant from tenant_row"))
                    .containsExactly("a");
        }
    }

    /** What a data source has set for the session, the end of its own transaction must not take back. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aSchemaThatTheDataSourceSetsAtCheckoutStays(boolean byDriver) throws SQLException {
        String url = TestDatabase.POSTGRESQL.create();
        TestDatabase.execute(url, "create schema a");
        TestDatabase.POSTGRESQL.fill(url + "&currentSchema=a");
        try (HikariDataSource pool = TestDatabase.pool(url, 2)) {
            pool.setAutoCommit(false);
            DataSource ofTenant = new DelegatingDataSource(pool) {
                @Override
                public Connection getConnection() throws SQLException {
                    Connection connection = super.getConnection();
                    if (byDriver) {
                        connection.setSchema("a");
                    } else {
                        TestDatabase.execute(connection, "set search_path to a");
                    }
                    return connection;
                }
            };
            try (EntityManagerFactory factory = TestDatabase.factory(ofTenant)) {
                MappingTest.works(url + "&currentSchema=a", new JpaKeyStore(factory));
            }
        }
        assertThat(TestApplication.ask(url, "select count(*) from a.idempotency_key"))
                .containsExactly("1");
        assertThat(TestApplication.ask(
                        url,
                        "select name from public.contract_row union all"
                                + " select key_value from public.idempotency_key"))
                .isEmpty();
    }

    /** A row of a tenant. */
    @Entity(name = "tenant_row")
    static class TenantRow {
        @Id
        String name = "";

        @TenantId
        @Nullable
        String tenant;

        TenantRow() {}

        TenantRow(String name) {
            this.name = name;
        }
    }

    private static final class OnePoolForAll extends AbstractDataSourceBasedMultiTenantConnectionProviderImpl<String> {
        private static final long serialVersionUID = 1L;

        @SuppressWarnings("serial") // never serialized
        private final DataSource pool;

        OnePoolForAll(DataSource pool) {
            this.pool = pool;
        }

        @Override
        protected DataSource selectAnyDataSource() {
            return pool;
        }

        @Override
        protected DataSource selectDataSource(String tenant) {
            return pool;
        }
    }
}
