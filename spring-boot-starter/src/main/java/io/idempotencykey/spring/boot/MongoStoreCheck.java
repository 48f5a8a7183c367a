package io.idempotencykey.spring.boot;

import com.mongodb.client.MongoClient;
import io.idempotencykey.mongo.MongoKeyStore;
import io.idempotencykey.spring.SpringMongoKeyStore;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.beans.factory.SmartInitializingSingleton;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.data.mongodb.MongoDatabaseFactory;
import org.springframework.data.mongodb.MongoTransactionManager;
import org.springframework.data.mongodb.core.MongoOperations;

/** Whether Spring Data has a part in the store's transactions, be the store the starter's or the application's own. */
@Configuration(proxyBeanMethods = false)
@ConditionalOnClass({MongoClient.class, MongoDatabaseFactory.class})
class MongoStoreCheck {
    @Bean
    SmartInitializingSingleton idempotencyMongoCheck(
            ObjectProvider<MongoKeyStore> plain,
            ObjectProvider<SpringMongoKeyStore> stores,
            ObjectProvider<MongoDatabaseFactory> factories,
            ObjectProvider<MongoOperations> templates,
            ObjectProvider<MongoTransactionManager> managers) {
        return () -> {
            boolean isPlain = plain.stream().findAny().isPresent()
                    && stores.stream().findAny().isEmpty();
            if (isPlain && factories.stream().findAny().isPresent()) {
                throw new StoreSetupException(
                        "The application's KeyStore bean is a MongoKeyStore, in whose transactions MongoTemplates and"
                                + " repositories have no part.",
                        "Remove it, or declare a SpringMongoKeyStore over it instead.",
                        null);
            }
            stores.forEach(store -> {
                if (!templates.stream().allMatch(store::covers)
                        || !managers.stream().allMatch(store::covers)) {
                    throw new StoreSetupException(
                            "The application has a MongoTemplate or a MongoTransactionManager over another"
                                    + " MongoDatabaseFactory than its idempotency keys. What it writes would be neither"
                                    + " fenced nor rolled back with a request.",
                            "Make it over the store's MongoDatabaseFactory.",
                            null);
                }
            });
        };
    }
}
