package io.idempotencykey.spring.boot;

import io.idempotencykey.jpa.JpaKeyStore;
import io.idempotencykey.port.KeyStore;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.KeyListener;
import io.idempotencykey.spring.SpringJpaTransactions;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import java.util.List;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnProperty;
import org.springframework.boot.autoconfigure.condition.ConditionalOnSingleCandidate;
import org.springframework.boot.sql.init.dependency.DependsOnDatabaseInitialization;
import org.springframework.context.ApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.orm.jpa.JpaTransactionManager;
import org.springframework.transaction.PlatformTransactionManager;

/** The store of an application with JPA. */
@Configuration(proxyBeanMethods = false)
@ConditionalOnClass(
        value = {EntityManagerFactory.class, JpaTransactionManager.class},
        name = "org.hibernate.SessionFactory")
@ConditionalOnSingleCandidate(EntityManagerFactory.class)
@ConditionalOnMissingBean(KeyStore.class)
@ConditionalOnProperty(name = "idempotency.store", havingValue = "jpa", matchIfMissing = true)
class JpaStoreConfiguration {
    private static final String MONGO = "org.springframework.data.mongodb.MongoDatabaseFactory";

    @Bean
    @DependsOnDatabaseInitialization
    JpaKeyStore idempotencyKeyStore(
            EntityManagerFactory factory,
            ObjectProvider<DataSource> sources,
            ObjectProvider<PlatformTransactionManager> managers,
            IdempotencyProperties properties,
            ApplicationContext application) {
        if (properties.store() == null && StoreChoice.hasBean(MONGO, application)) {
            throw StoreChoice.open();
        }
        DataSource source = sources.getIfUnique();
        if (source != null && properties.jpa().table() == null) {
            JpaSchema.initialize(source, properties.schema().initialize());
        }
        try {
            JpaKeyStore.Builder builder = JpaKeyStore.builder(factory)
                    .transactions(new SpringJpaTransactions(
                            manager(factory, managers), factory, properties.innerTransactions()));
            if (properties.isolation() != null) {
                builder.strongest(properties.isolation());
            }
            if (properties.jpa().table() != null) {
                builder.table(properties.jpa().table());
            }
            if (properties.allowOuterTransactions()) {
                builder.allowOuterTransactions();
            }
            return builder.build();
        } catch (StoreSetupException e) {
            throw e;
        } catch (RuntimeException e) {
            throw new StoreSetupException(
                    "The database can't keep idempotency keys: " + e.getMessage(), action(source), e);
        }
    }

    private static String action(@Nullable DataSource source) {
        String file = source == null ? null : JpaSchema.file(source);
        return file == null
                ? "Use one of the databases that the library supports: PostgreSQL, MySQL, MariaDB, H2. For tests on"
                        + " another, set 'idempotency.store' to 'in-memory'."
                : "Do what the message says. If the table is missing, run classpath:io/idempotencykey/jpa/schema/"
                        + file
                        + " with your schema tool, or set 'idempotency.schema.initialize' to 'always'; if it has"
                        + " another name, set 'idempotency.jpa.table'. For tests, set"
                        + " 'idempotency.store' to 'in-memory'.";
    }

    /** The factory's own manager, be it among others. */
    private static PlatformTransactionManager manager(
            EntityManagerFactory factory, ObjectProvider<PlatformTransactionManager> managers) {
        List<PlatformTransactionManager> all = managers.orderedStream().toList();
        List<PlatformTransactionManager> own = all.stream()
                .filter(each ->
                        each instanceof JpaTransactionManager jpa && factory.equals(jpa.getEntityManagerFactory()))
                .toList();
        if (own.size() == 1) {
            return own.get(0);
        }
        if (own.isEmpty() && all.size() == 1) {
            return all.get(0);
        }
        throw new StoreSetupException(
                "The application has " + all.size() + " transaction managers, of which " + own.size()
                        + " are JpaTransactionManagers of its entity manager factory, so that it isn't clear in whose"
                        + " transactions requests run.",
                "Keep one JpaTransactionManager for the factory, or declare a JpaKeyStore bean with the one to use.",
                null);
    }

    @Bean
    @ConditionalOnMissingBean(IdempotencyKeyService.class)
    IdempotencyKeyService<EntityManager> idempotencyKeyService(
            KeyStore<EntityManager> store, IdempotencyProperties properties, ObjectProvider<KeyListener> listeners) {
        return IdempotencyAutoConfiguration.service(store, properties, listeners);
    }
}
