package io.idempotencykey.spring.boot;

import io.idempotencykey.inmemory.InMemoryKeyStore;
import io.idempotencykey.port.KeyStore;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.KeyListener;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnProperty;
import org.springframework.boot.autoconfigure.condition.ConditionalOnSingleCandidate;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.orm.jpa.JpaTransactionManager;
import org.springframework.orm.jpa.SharedEntityManagerCreator;
import org.springframework.transaction.PlatformTransactionManager;

/** Keys in memory, with stages in JPA's transactions and their handle, so that operations are as in production. */
@Configuration(proxyBeanMethods = false)
@ConditionalOnClass({EntityManagerFactory.class, JpaTransactionManager.class})
@ConditionalOnSingleCandidate(EntityManagerFactory.class)
@ConditionalOnMissingBean(KeyStore.class)
@ConditionalOnProperty(name = "idempotency.store", havingValue = "in-memory")
class InMemoryJpaStoreConfiguration {
    @Bean
    InMemoryKeyStore<EntityManager> idempotencyKeyStore(
            EntityManagerFactory factory,
            ObjectProvider<PlatformTransactionManager> managers,
            IdempotencyProperties properties) {
        EntityManager shared = SharedEntityManagerCreator.createSharedEntityManager(factory);
        return InMemoryStoreConfiguration.store(managers, () -> shared, properties);
    }

    @Bean
    @ConditionalOnMissingBean(IdempotencyKeyService.class)
    IdempotencyKeyService<EntityManager> idempotencyKeyService(
            KeyStore<EntityManager> store, IdempotencyProperties properties, ObjectProvider<KeyListener> listeners) {
        return IdempotencyAutoConfiguration.service(store, properties, listeners);
    }
}
