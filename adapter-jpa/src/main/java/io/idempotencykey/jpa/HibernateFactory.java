package io.idempotencykey.jpa;

import jakarta.persistence.EntityManagerFactory;
import jakarta.transaction.TransactionManager;
import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.hibernate.boot.model.naming.Identifier;
import org.hibernate.boot.model.relational.QualifiedTableName;
import org.hibernate.engine.jdbc.connections.spi.ConnectionProvider;
import org.hibernate.engine.spi.SessionFactoryImplementor;
import org.hibernate.engine.transaction.jta.platform.spi.JtaPlatform;
import org.hibernate.persister.entity.EntityPersister;
import org.hibernate.resource.transaction.spi.TransactionCoordinatorBuilder;
import org.jspecify.annotations.Nullable;

/** What a store has to know of the application's factory. */
final class HibernateFactory {
    /** Settings by which Hibernate prepares a connection for a tenant, so that no other connection is the tenant's. */
    private static final Set<String> TENANT_SETTINGS = Set.of(
            "hibernate.multi_tenant_connection_provider",
            "hibernate.multi_tenant.schema_mapper",
            "hibernate.multi_tenant.credentials_mapper");

    private HibernateFactory() {}

    static SessionFactoryImplementor of(EntityManagerFactory factory) {
        SessionFactoryImplementor sessions;
        try {
            sessions = factory.unwrap(SessionFactoryImplementor.class);
        } catch (RuntimeException e) {
            throw new IllegalArgumentException(
                    "argument 'factory' is a '" + factory.getClass().getName()
                            + "'; allowed: a factory of Hibernate ORM",
                    e);
        }
        if (isMultiTenant(sessions)) {
            throw new IllegalArgumentException("argument 'factory' gives each tenant connections of its own ("
                    + String.join(", ", new TreeSet<>(TENANT_SETTINGS))
                    + "); allowed: one for all tenants, with @TenantId, or a factory and a store for each tenant");
        }
        return sessions;
    }

    private static boolean isMultiTenant(SessionFactoryImplementor sessions) {
        Map<String, Object> properties = sessions.getProperties();
        return sessions.getSessionFactoryOptions().isMultiTenancyEnabled()
                || TENANT_SETTINGS.stream().anyMatch(setting -> properties.get(setting) != null)
                || Stream.of("getTenantSchemaMapper", "getTenantCredentialsMapper")
                        .anyMatch(mapper -> hasMapper(sessions.getSessionFactoryOptions(), mapper));
    }

    /** Asks for an option that only later versions of Hibernate have. */
    private static boolean hasMapper(Object options, String getter) {
        try {
            return Class.forName("org.hibernate.boot.spi.SessionFactoryOptions")
                            .getMethod(getter)
                            .invoke(options)
                    != null;
        } catch (NoSuchMethodException e) {
            return false;
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("Hibernate doesn't tell whether it has tenants", e);
        }
    }

    static ConnectionProvider connections(SessionFactoryImplementor sessions) {
        return sessions.getServiceRegistry().requireService(ConnectionProvider.class);
    }

    static boolean isJta(SessionFactoryImplementor sessions) {
        return sessions.getServiceRegistry()
                .requireService(TransactionCoordinatorBuilder.class)
                .isJta();
    }

    static TransactionManager manager(SessionFactoryImplementor sessions) {
        return sessions.getServiceRegistry().requireService(JtaPlatform.class).retrieveTransactionManager();
    }

    /** The name of the keys' table as SQL. */
    static String table(SessionFactoryImplementor sessions, @Nullable String given, String otherwise) {
        EntityPersister entity =
                sessions.getMappingMetamodel().findEntityDescriptor(IdempotencyKeyEntity.class.getName());
        if (entity != null) {
            checkColumns(entity);
        }
        if (given != null) {
            return given;
        }
        if (entity != null) {
            return entity.getIdentifierTableName();
        }
        // In the default schema or catalog, as Hibernate names its own tables.
        return sessions.getSqlStringGenerationContext()
                .format(new QualifiedTableName(null, null, Identifier.toIdentifier(otherwise)));
    }

    private static void checkColumns(EntityPersister entity) {
        Set<String> mapped = new TreeSet<>();
        entity.getIdentifierMapping()
                .forEachSelectable((index, column) -> mapped.add(plain(column.getSelectionExpression())));
        entity.forEachSelectable((index, column) -> mapped.add(plain(column.getSelectionExpression())));
        Set<String> expected = new TreeSet<>(Arrays.asList(KeyTable.ALL.split(", ")));
        if (!mapped.equals(expected)) {
            throw new IllegalArgumentException("argument 'factory' maps IdempotencyKeyEntity to the columns " + mapped
                    + "; allowed: " + expected + ". Exempt the entity from the naming strategy, or leave it out of the"
                    + " persistence unit: the store doesn't need it");
        }
    }

    /** A column's name without quotes, and in lower case, as a database compares it. */
    private static String plain(String name) {
        return name.replaceAll("[\"`\\[\\]]", "").toLowerCase(Locale.ROOT);
    }
}
