package io.idempotencykey.spring.boot;

import com.mongodb.client.ClientSession;
import com.mongodb.client.MongoClient;
import io.idempotencykey.mongo.MongoKeyStore;
import io.idempotencykey.port.KeyStore;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.KeyListener;
import io.idempotencykey.spring.SpringMongoKeyStore;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnProperty;
import org.springframework.boot.autoconfigure.condition.ConditionalOnSingleCandidate;
import org.springframework.context.ApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.data.mongodb.MongoDatabaseFactory;

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

    @Bean
    @ConditionalOnMissingBean(IdempotencyKeyService.class)
    IdempotencyKeyService<ClientSession> idempotencyKeyService(
            KeyStore<ClientSession> store, IdempotencyProperties properties, ObjectProvider<KeyListener> listeners) {
        return IdempotencyAutoConfiguration.service(store, properties, listeners);
    }
}
