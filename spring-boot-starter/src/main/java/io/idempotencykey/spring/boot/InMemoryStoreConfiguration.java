package io.idempotencykey.spring.boot;

import io.idempotencykey.inmemory.InMemoryKeyStore;
import io.idempotencykey.port.KeyStore;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.KeyListener;
import io.idempotencykey.spring.SpringInMemoryTransactions;
import java.lang.System.Logger.Level;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnProperty;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.transaction.PlatformTransactionManager;
import org.springframework.transaction.TransactionStatus;

/** Keys in this process's memory, for tests on any database. */
@Configuration(proxyBeanMethods = false)
@ConditionalOnMissingBean(KeyStore.class)
@ConditionalOnProperty(name = "idempotency.store", havingValue = "in-memory")
class InMemoryStoreConfiguration {
    private static final System.Logger LOGGER = System.getLogger("io.idempotencykey");

    private static void warn() {
        LOGGER.log(Level.WARNING, "idempotency keys are kept in memory, and forgotten when the process ends");
    }

    /** In the transactions of the application's manager. */
    @Configuration(proxyBeanMethods = false)
    @ConditionalOnBean(PlatformTransactionManager.class)
    static class Transactional {
        @Bean
        InMemoryKeyStore<TransactionStatus> idempotencyKeyStore(
                PlatformTransactionManager manager, IdempotencyProperties properties) {
            warn();
            return new InMemoryKeyStore<>(new SpringInMemoryTransactions(manager, properties.innerTransactions()));
        }

        @Bean
        @ConditionalOnMissingBean(IdempotencyKeyService.class)
        IdempotencyKeyService<TransactionStatus> idempotencyKeyService(
                KeyStore<TransactionStatus> store,
                IdempotencyProperties properties,
                ObjectProvider<KeyListener> listeners) {
            return IdempotencyAutoConfiguration.service(store, properties, listeners);
        }
    }

    /** Without transactions; what a failed request wrote stays. */
    @Bean
    @ConditionalOnMissingBean(KeyStore.class)
    InMemoryKeyStore<Object> idempotencyKeyStore() {
        warn();
        return InMemoryKeyStore.withoutRollback(Object::new);
    }
}
