package io.idempotencykey.spring.jpa;

import io.idempotencykey.KeyId;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.jpa.JpaKeyStore;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.spring.InnerTransactions;
import io.idempotencykey.spring.PostgresqlServer;
import io.idempotencykey.spring.SpringJpaTransactions;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import org.springframework.boot.WebApplicationType;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Import;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.orm.jpa.JpaTransactionManager;
import org.springframework.orm.jpa.SharedEntityManagerCreator;
import org.springframework.transaction.PlatformTransactionManager;

/** An application of Spring Boot, with the transaction manager and the repositories that Boot makes. */
final class JpaApplication implements AutoCloseable {
    static final Request REQUEST = Request.of("POST", "/orders", Map.of());
    static final Response RESPONSE = Response.of(201, "text/plain", "placed");

    private final ConfigurableApplicationContext context;
    private final Map<InnerTransactions, IdempotencyKeyService<EntityManager>> keys = new ConcurrentHashMap<>();

    private JpaApplication(ConfigurableApplicationContext context) {
        this.context = context;
    }

    @EnableAutoConfiguration
    @Import({OrderService.class, OrderListener.class})
    static class Beans {
        /** As in docs/JPA.md. */
        @Bean
        JpaKeyStore keyStore(EntityManagerFactory entityManagerFactory, PlatformTransactionManager transactionManager) {
            return JpaKeyStore.builder(entityManagerFactory)
                    .transactions(new SpringJpaTransactions(
                            transactionManager, entityManagerFactory, InnerTransactions.REFUSED))
                    .build();
        }
    }

    /** A database, and the application on it, which lives as long as the JVM. */
    @SuppressWarnings("ImmutableEnumChecker") // what has started stays for all tests
    enum Database {
        H2 {
            @Override
            String url() {
                String url = "jdbc:h2:mem:" + UUID.randomUUID() + ";DB_CLOSE_DELAY=-1;USER=sa";
                PostgresqlServer.execute(url, PostgresqlServer.schema("h2.sql"), PlacedOrder.TABLE, Stock.TABLE);
                return url;
            }
        },
        POSTGRESQL {
            @Override
            String url() {
                return PostgresqlServer.newDatabase(PlacedOrder.TABLE, Stock.TABLE);
            }
        };

        private @Nullable JpaApplication application;

        /** Makes a database with all tables. */
        abstract String url();

        /** The application, without any order or key. */
        JpaApplication application() {
            JpaApplication started = application;
            if (started == null) {
                started = start(url());
                application = started;
            }
            started.jdbc().update("delete from placed_order");
            started.jdbc().update("delete from idempotency_key");
            return started;
        }
    }

    static JpaApplication start(String url, Class<?>... more) {
        return start(url, WebApplicationType.NONE, more);
    }

    static JpaApplication start(String url, WebApplicationType web, Class<?>... more) {
        return new JpaApplication(new SpringApplicationBuilder(Beans.class)
                .sources(more)
                .web(web)
                .properties(
                        "server.port=0",
                        "spring.datasource.url=" + url,
                        "spring.jpa.hibernate.ddl-auto=none",
                        "spring.main.banner-mode=off",
                        // Names of Boot 3.5 and of 4.
                        "spring.autoconfigure.exclude=org.springframework.boot.autoconfigure.mongo.MongoAutoConfiguration,"
                                + "org.springframework.boot.mongodb.autoconfigure.MongoAutoConfiguration")
                .run());
    }

    <B> B bean(Class<B> type) {
        return context.getBean(type);
    }

    OrderService service() {
        return bean(OrderService.class);
    }

    JdbcTemplate jdbc() {
        return bean(JdbcTemplate.class);
    }

    JpaTransactionManager manager() {
        return bean(JpaTransactionManager.class);
    }

    /** The entity manager that an application injects. */
    EntityManager injected() {
        return SharedEntityManagerCreator.createSharedEntityManager(bean(EntityManagerFactory.class));
    }

    List<String> orders() {
        return jdbc().queryForList("select name from placed_order order by name", String.class);
    }

    JpaKeyStore store(InnerTransactions inner, UnaryOperator<JpaKeyStore.Builder> settings) {
        EntityManagerFactory factory = bean(EntityManagerFactory.class);
        return settings.apply(
                        JpaKeyStore.builder(factory).transactions(new SpringJpaTransactions(manager(), factory, inner)))
                .build();
    }

    IdempotencyKeyService<EntityManager> keys(InnerTransactions inner) {
        return keys.computeIfAbsent(
                inner,
                each -> new IdempotencyKeyService<>(
                        switch (each) {
                            case REFUSED -> bean(JpaKeyStore.class);
                            case LOGGED -> store(each, builder -> builder);
                        }));
    }

    /** Handles a request of one stage under a new key; returns that. */
    static <T> KeyId once(IdempotencyKeyService<T> keys, Consumer<T> stage) {
        KeyId id = KeyId.of(UUID.randomUUID().toString());
        keys.once("place-order", id, REQUEST, held -> {
            stage.accept(held.transaction());
            return RESPONSE;
        });
        return id;
    }

    /** Changes a row that another transaction changes meanwhile, if this is the stage's first try. */
    void conflict(EntityManager entityManager, int attempt) {
        Stock stock = entityManager.find(Stock.class, 1);
        if (attempt == 1) {
            PostgresqlServer.execute(property("spring.datasource.url"), Stock.CHANGE);
        }
        stock.amount++;
    }

    String property(String name) {
        return Objects.requireNonNull(context.getEnvironment().getProperty(name));
    }

    @Override
    public void close() {
        context.close();
    }
}
