package io.idempotencykey.spring.boot;

import com.mongodb.client.ClientSession;
import com.mongodb.client.MongoClient;
import io.idempotencykey.mongo.MongoKeyStore;
import io.idempotencykey.port.KeyStore;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.KeyListener;
import io.idempotencykey.spring.SpringMongoKeyStore;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.beans.factory.SmartInitializingSingleton;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnProperty;
import org.springframework.boot.autoconfigure.condition.ConditionalOnSingleCandidate;
import org.springframework.context.ApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.data.mongodb.MongoDatabaseFactory;
import org.springframework.data.mongodb.MongoTransactionManager;
import org.springframework.data.mongodb.core.MongoOperations;

/** The store of an application with Spring Data MongoDB. */
@Configuration(proxyBeanMethods = false)
@ConditionalOnClass({MongoClient.class, MongoDatabaseFactory.class})
@ConditionalOnSingleCandidate(MongoDatabaseFactory.class)
@ConditionalOnMissingBean(KeyStore.class)
@ConditionalOnProperty(name = "idempotency.store", havingValue = "mongo", matchIfMissing = true)
class MongoStoreConfiguration {
    private static final String JPA = "jakarta.persistence.EntityManagerFactory";

    @Bean
    SpringMongoKeyStore idempotencyKeyStore(
            MongoDatabaseFactory factory,
            MongoClient client,
            IdempotencyProperties properties,
            ApplicationContext application) {
        if (properties.store() == null && StoreChoice.hasBean(JPA, application)) {
            throw StoreChoice.open();
        }
        try {
            MongoKeyStore store = new MongoKeyStore(
                    client,
                    factory.getMongoDatabase().getName(),
                    properties.mongo().collection());
            if (properties.schema().initialize() != IdempotencyProperties.Initialize.NEVER) {
                store.createIndexes();
            }
            return new SpringMongoKeyStore(
                    store, factory, properties.innerTransactions(), properties.allowOuterTransactions());
        } catch (RuntimeException e) {
            throw new StoreSetupException(
                    "MongoDB can't keep idempotency keys: " + e.getMessage(),
                    "Do what the message says. For tests without a replica set, set 'idempotency.store' to"
                            + " 'in-memory'.",
                    e);
        }
    }

    /** What is written with a template over another factory would be no part of a request's transaction. */
    @Bean
    SmartInitializingSingleton idempotencyMongoCheck(
            SpringMongoKeyStore store,
            ObjectProvider<MongoOperations> templates,
            ObjectProvider<MongoTransactionManager> managers) {
        return () -> {
            boolean covers = templates.stream().allMatch(store::covers)
                    && managers.stream().allMatch(store::covers);
            if (!covers) {
                throw new StoreSetupException(
                        "The application has a MongoTemplate or a MongoTransactionManager over another"
                                + " MongoDatabaseFactory than its idempotency keys. What it writes would be neither"
                                + " fenced nor rolled back with a request.",
                        "Make it over the MongoDatabaseFactory bean, or declare a SpringMongoKeyStore bean of your own"
                                + " over the factory that requests write to.",
                        null);
            }
        };
    }

    @Bean
    @ConditionalOnMissingBean(IdempotencyKeyService.class)
    IdempotencyKeyService<ClientSession> idempotencyKeyService(
            KeyStore<ClientSession> store, IdempotencyProperties properties, ObjectProvider<KeyListener> listeners) {
        return IdempotencyAutoConfiguration.service(store, properties, listeners);
    }
}
