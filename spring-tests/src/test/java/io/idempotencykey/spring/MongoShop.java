package io.idempotencykey.spring;

import com.mongodb.client.ClientSession;
import com.mongodb.client.MongoClient;
import io.idempotencykey.mongo.MongoKeyStore;
import io.idempotencykey.service.IdempotencyKeyService;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.springframework.boot.WebApplicationType;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.context.ApplicationEventPublisher;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.ComponentScan;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.FilterType;
import org.springframework.context.annotation.Import;
import org.springframework.data.annotation.Id;
import org.springframework.data.mongodb.MongoDatabaseFactory;
import org.springframework.data.mongodb.MongoTransactionManager;
import org.springframework.data.mongodb.core.MongoTemplate;
import org.springframework.data.mongodb.core.mapping.Document;
import org.springframework.data.mongodb.repository.MongoRepository;
import org.springframework.data.mongodb.repository.config.EnableMongoRepositories;
import org.springframework.transaction.annotation.Propagation;
import org.springframework.transaction.annotation.Transactional;
import org.springframework.transaction.event.TransactionPhase;
import org.springframework.transaction.event.TransactionalEventListener;
import org.springframework.transaction.interceptor.TransactionAspectSupport;
import org.springframework.transaction.support.TransactionSynchronizationManager;

/** An application of Spring Boot's, whose repositories, services and listeners know nothing of stages. */
final class MongoShop {
    private MongoShop() {}

    static ConfigurableApplicationContext start(Class<?> application, String database) {
        String url = MongoServer.url(database);
        ConfigurableApplicationContext started = new SpringApplicationBuilder(application)
                .web(WebApplicationType.NONE)
                .properties(
                        "spring.mongodb.uri=" + url, // Boot 4
                        "spring.data.mongodb.uri=" + url, // Boot 3
                        "spring.main.banner-mode=off",
                        "logging.level.root=warn")
                .run();
        started.getBean(MongoTemplate.class).createCollection(Row.class);
        return started;
    }

    @Document("rows")
    record Row(@Id String id, String value) {}

    interface Rows extends MongoRepository<Row, String> {
        List<Row> findByValue(String value);
    }

    /** Repositories, and no transaction manager. */
    @Configuration(proxyBeanMethods = false)
    @EnableAutoConfiguration(
            excludeName = {
                // Boot 4
                "org.springframework.boot.jdbc.autoconfigure.DataSourceAutoConfiguration",
                "org.springframework.boot.hibernate.autoconfigure.HibernateJpaAutoConfiguration",
                "org.springframework.boot.data.jpa.autoconfigure.DataJpaRepositoriesAutoConfiguration",
                // Boot 3
                "org.springframework.boot.autoconfigure.jdbc.DataSourceAutoConfiguration",
                "org.springframework.boot.autoconfigure.orm.jpa.HibernateJpaAutoConfiguration",
                "org.springframework.boot.autoconfigure.data.jpa.JpaRepositoriesAutoConfiguration",
            })
    @EnableMongoRepositories(
            considerNestedRepositories = true,
            includeFilters = @ComponentScan.Filter(type = FilterType.ASSIGNABLE_TYPE, classes = Rows.class))
    static class WithoutTransactions {
        @Bean
        MongoKeyStore keyStore(MongoClient client, MongoDatabaseFactory factory) {
            MongoKeyStore store =
                    new MongoKeyStore(client, factory.getMongoDatabase().getName(), "keys");
            store.createIndexes();
            return store;
        }

        @Bean
        SpringMongoKeyStore springKeyStore(MongoKeyStore store, MongoDatabaseFactory factory) {
            return new SpringMongoKeyStore(store, factory);
        }

        @Bean
        IdempotencyKeyService<ClientSession> keys(SpringMongoKeyStore store) {
            return new IdempotencyKeyService<>(store);
        }
    }

    /** The usual application. */
    @Configuration(proxyBeanMethods = false)
    @Import({WithoutTransactions.class, Orders.class, Listeners.class})
    static class Application {
        @Bean
        MongoTransactionManager transactionManager(MongoDatabaseFactory factory) {
            return new MongoTransactionManager(factory);
        }
    }

    record Placed(String id) {}

    record Doubted(String id) {}

    static class Orders {
        private final Rows rows;
        private final MongoTemplate template;
        private final ApplicationEventPublisher events;

        Orders(Rows rows, MongoTemplate template, ApplicationEventPublisher events) {
            this.rows = rows;
            this.template = template;
            this.events = events;
        }

        @Transactional
        public void required(String id) {
            rows.insert(new Row(id, "required"));
        }

        @Transactional(propagation = Propagation.SUPPORTS)
        public void supports(String id) {
            template.insert(new Row(id, "supports"));
        }

        @Transactional(propagation = Propagation.MANDATORY)
        public void mandatory(String id) {
            rows.save(new Row(id, "mandatory"));
        }

        @Transactional(propagation = Propagation.NEVER)
        public void never(String id) {
            rows.insert(new Row(id, "never"));
        }

        @Transactional(propagation = Propagation.REQUIRES_NEW)
        public void requiresNew(String id) {
            rows.insert(new Row(id, "requiresNew"));
        }

        @Transactional(propagation = Propagation.NOT_SUPPORTED)
        public void notSupported(String id) {
            rows.insert(new Row(id, "notSupported"));
        }

        @Transactional
        public void failing(String id) {
            rows.insert(new Row(id, "failing"));
            throw new IllegalArgumentException("failing " + id);
        }

        @Transactional
        public void marking(String id) {
            rows.insert(new Row(id, "marking"));
            TransactionAspectSupport.currentTransactionStatus().setRollbackOnly();
        }

        @Transactional
        public void change(String id) {
            rows.save(new Row(id, "changed"));
        }

        @Transactional
        public void place(String id) {
            rows.insert(new Row(id, "placed"));
            events.publishEvent(new Placed(id));
        }

        @Transactional
        public void doubt(String id) {
            rows.insert(new Row(id, "doubted"));
            events.publishEvent(new Doubted(id));
        }
    }

    static class Listeners {
        final List<String> seen = new CopyOnWriteArrayList<>();
        private final Rows rows;
        private final Orders orders;

        Listeners(Rows rows, Orders orders) {
            this.rows = rows;
            this.orders = orders;
        }

        @TransactionalEventListener(phase = TransactionPhase.BEFORE_COMMIT)
        public void beforeCommit(Placed event) {
            seen.add("before commit of " + event.id());
            rows.insert(new Row(event.id() + "-before", "listener"));
        }

        @TransactionalEventListener
        public void afterCommit(Placed event) {
            seen.add("after commit of " + event.id() + bound()
                    + (rows.existsById(event.id()) ? "" : ", which isn't there"));
            orders.requiresNew(event.id() + "-after");
        }

        @TransactionalEventListener(phase = TransactionPhase.AFTER_ROLLBACK)
        public void afterRollback(Placed event) {
            seen.add("after rollback of " + event.id() + bound());
        }

        @TransactionalEventListener(phase = TransactionPhase.AFTER_COMPLETION)
        public void afterCompletion(Placed event) {
            seen.add("after completion of " + event.id());
        }

        private static String bound() {
            return TransactionSynchronizationManager.isActualTransactionActive() ? ", in a transaction" : "";
        }

        @TransactionalEventListener(phase = TransactionPhase.BEFORE_COMMIT)
        public void refuse(Doubted event) {
            throw new IllegalArgumentException("doubted " + event.id());
        }
    }
}
