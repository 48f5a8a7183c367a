package io.idempotencykey.spring.boot;

import io.idempotencykey.inmemory.InMemoryKeyStore;
import io.idempotencykey.port.KeyStore;
import io.idempotencykey.spring.SpringInMemoryTransactions;
import java.lang.System.Logger.Level;
import java.util.List;
import java.util.function.Supplier;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnProperty;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.transaction.PlatformTransactionManager;

/** Keys in this process's memory. */
@Configuration(proxyBeanMethods = false)
@ConditionalOnMissingBean(KeyStore.class)
@ConditionalOnProperty(name = "idempotency.store", havingValue = "in-memory")
class InMemoryStoreConfiguration {
    private static final System.Logger LOGGER = System.getLogger("io.idempotencykey");

    @Bean
    InMemoryKeyStore<Object> idempotencyKeyStore(
            ObjectProvider<PlatformTransactionManager> managers, IdempotencyProperties properties) {
        return store(managers, Object::new, properties);
    }

    /** A store whose stages run in the application's transactions, if it has any. */
    static <T> InMemoryKeyStore<T> store(
            ObjectProvider<PlatformTransactionManager> managers, Supplier<T> handle, IdempotencyProperties properties) {
        LOGGER.log(Level.WARNING, "idempotency keys are kept in memory, and forgotten when the process ends");
        List<PlatformTransactionManager> all = managers.stream().toList();
        if (all.isEmpty()) {
            return InMemoryKeyStore.withoutRollback(handle);
        }
        PlatformTransactionManager manager = managers.getIfUnique();
        if (manager == null) {
            throw new StoreSetupException(
                    "The application has " + all.size() + " transaction managers, so that it isn't clear in whose"
                            + " transactions requests run.",
                    "Make one of them primary.",
                    null);
        }
        return new InMemoryKeyStore<>(
                new SpringInMemoryTransactions<>(manager, handle, properties.innerTransactions()));
    }
}
