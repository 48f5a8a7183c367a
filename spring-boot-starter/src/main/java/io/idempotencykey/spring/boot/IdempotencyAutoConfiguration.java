package io.idempotencykey.spring.boot;

import io.idempotencykey.port.KeyStore;
import io.idempotencykey.service.Background;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.KeyListener;
import io.idempotencykey.service.Operation;
import io.idempotencykey.service.ServiceBuilder;
import io.idempotencykey.spring.web.IdempotentMethods;
import java.util.List;
import java.util.Set;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.beans.factory.SmartInitializingSingleton;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnProperty;
import org.springframework.boot.context.properties.EnableConfigurationProperties;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Import;

/**
 * Gives an application the store that suits it, the service, the background work, and idempotent handler methods; each
 * bean stands back for one of the application's own.
 */
@AutoConfiguration(
        afterName = {
            "org.springframework.boot.actuate.autoconfigure.metrics.CompositeMeterRegistryAutoConfiguration",
            "org.springframework.boot.actuate.autoconfigure.observation.ObservationAutoConfiguration",
            "org.springframework.boot.autoconfigure.data.mongo.MongoDataAutoConfiguration",
            "org.springframework.boot.autoconfigure.orm.jpa.HibernateJpaAutoConfiguration",
            "org.springframework.boot.autoconfigure.transaction.TransactionAutoConfiguration",
            "org.springframework.boot.autoconfigure.web.servlet.WebMvcAutoConfiguration",
            "org.springframework.boot.data.mongodb.autoconfigure.DataMongoAutoConfiguration",
            "org.springframework.boot.hibernate.autoconfigure.HibernateJpaAutoConfiguration",
            "org.springframework.boot.micrometer.metrics.autoconfigure.CompositeMeterRegistryAutoConfiguration",
            "org.springframework.boot.micrometer.observation.autoconfigure.ObservationAutoConfiguration",
            "org.springframework.boot.transaction.autoconfigure.TransactionAutoConfiguration",
            "org.springframework.boot.webmvc.autoconfigure.WebMvcAutoConfiguration"
        })
@EnableConfigurationProperties(IdempotencyProperties.class)
@Import({
    JpaStoreConfiguration.class,
    MongoStoreConfiguration.class,
    MongoStoreCheck.class,
    InMemoryJpaStoreConfiguration.class,
    InMemoryStoreConfiguration.class,
    HttpConfiguration.class,
    MetricsConfiguration.class,
    EndpointConfiguration.class,
    ConsoleConfiguration.class,
    HealthInBoot3Configuration.class,
    HealthInBoot4Configuration.class
})
class IdempotencyAutoConfiguration {
    /** The service over a store, as it is configured. */
    static <T> IdempotencyKeyService<T> service(
            KeyStore<T> store, IdempotencyProperties properties, ObjectProvider<KeyListener> listeners) {
        try {
            ServiceBuilder<T> builder = IdempotencyKeyService.builder(store)
                    .timeToLive(properties.timeToLive())
                    .lease(properties.lease())
                    .maxResponseBytes(
                            Math.toIntExact(properties.maxResponseSize().toBytes()))
                    .replayCacheBytes(
                            Math.toIntExact(properties.replayCacheSize().toBytes()));
            if (properties.isolation() != null) {
                builder.isolation(properties.isolation());
            }
            listeners.orderedStream().forEach(builder::listener);
            return builder.build();
        } catch (IllegalArgumentException | ArithmeticException e) {
            throw new StoreSetupException(
                    "A property of 'idempotency' is out of bounds: " + e.getMessage(), "Change the property.", e);
        }
    }

    /** For a store of the application's own; without any, there is no guarantee, and the application doesn't start. */
    @Bean
    @ConditionalOnMissingBean
    IdempotencyKeyService<?> idempotencyKeyService(
            ObjectProvider<KeyStore<?>> stores,
            IdempotencyProperties properties,
            ObjectProvider<KeyListener> listeners) {
        KeyStore<?> store = stores.getIfUnique();
        if (store == null) {
            throw new StoreSetupException(
                    "There is no store for idempotency keys"
                            + (properties.store() == null
                                    ? ": the application has neither one JPA entity manager factory of Hibernate's nor"
                                            + " a MongoDB database factory."
                                    : " of the kind that 'idempotency.store' names, which is " + properties.store()
                                            + "."),
                    "Add Spring Data JPA or Spring Data MongoDB; or declare a KeyStore bean; or, for tests and for what"
                            + " may be forgotten with the process, set 'idempotency.store' to 'in-memory'.",
                    null);
        }
        return service(store, properties, listeners);
    }

    @Bean
    @ConditionalOnMissingBean
    @ConditionalOnProperty(name = "idempotency.background.enabled", matchIfMissing = true)
    BackgroundLifecycle idempotencyBackground(
            IdempotencyKeyService<?> keys, ObjectProvider<Operation<?>> operations, IdempotencyProperties properties) {
        return background(keys, operations.orderedStream().toList(), properties.background());
    }

    private static <T> BackgroundLifecycle background(
            IdempotencyKeyService<T> keys, List<Operation<?>> operations, IdempotencyProperties.Background properties) {
        @SuppressWarnings("unchecked") // An application's operations are its service's.
        Background.Builder builder = keys.background(operations.toArray(Operation[]::new))
                .completeEvery(properties.completeEvery())
                .reapEvery(properties.reapEvery())
                .completers(properties.completers());
        if (properties.abandonedAfter() != null) {
            builder.abandonedAfter(properties.abandonedAfter());
        }
        return new BackgroundLifecycle(builder::start, properties.stopWithin());
    }

    /** Where nothing acts upon the annotation, as without Spring MVC, it is refused. */
    @Bean
    @ConditionalOnMissingBean(type = "io.idempotencykey.spring.web.IdempotentHandlerAdapter")
    SmartInitializingSingleton idempotentMethodsCheck(ConfigurableApplicationContext application) {
        return () -> IdempotentMethods.checkAllAreAmong(Set.of(), application);
    }
}
