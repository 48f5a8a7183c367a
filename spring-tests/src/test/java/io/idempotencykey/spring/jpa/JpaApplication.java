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
import java.util.UUID;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.springframework.boot.WebApplicationType;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.annotation.Import;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.orm.jpa.JpaTransactionManager;

/** An application of Spring Boot, with the transaction manager and the repositories that Boot makes. */
final class JpaApplication {
    static final Request REQUEST = Request.of("POST", "/orders", Map.of());
    static final Response RESPONSE = Response.of(201, "text/plain", "placed");

    private final ConfigurableApplicationContext context;

    private JpaApplication(ConfigurableApplicationContext context) {
        this.context = context;
    }

    @EnableAutoConfiguration
    @Import({OrderService.class, OrderListener.class})
    static class Beans {}

    /** A database, and the application on it, which lives as long as the JVM. */
    enum Database {
        H2 {
            @Override
            String url() {
                String url = "jdbc:h2:mem:" + UUID.randomUUID() + ";DB_CLOSE_DELAY=-1;USER=sa";
                PostgresqlServer.execute(url, PostgresqlServer.schema("h2.sql"), PlacedOrder.TABLE);
                return url;
            }
        },
        POSTGRESQL {
            @Override
            String url() {
                return PostgresqlServer.newDatabase(PlacedOrder.TABLE);
            }
        };

        private JpaApplication application;

        /** Makes a database with all tables. */
        abstract String url();

        /** The application, without any order. */
        synchronized JpaApplication application() {
            if (application == null) {
                application = start(url());
            }
            application.jdbc().execute("delete from placed_order");
            return application;
        }
    }

    static JpaApplication start(String url, String... properties) {
        return new JpaApplication(new SpringApplicationBuilder(Beans.class)
                .web(WebApplicationType.NONE)
                .properties(
                        "spring.datasource.url=" + url,
                        "spring.jpa.hibernate.ddl-auto=none",
                        "spring.main.banner-mode=off",
                        // Names of Boot 3.5 and of 4.
                        "spring.autoconfigure.exclude=org.springframework.boot.autoconfigure.mongo.MongoAutoConfiguration,"
                                + "org.springframework.boot.mongodb.autoconfigure.MongoAutoConfiguration")
                .properties(properties)
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
        return new IdempotencyKeyService<>(store(inner, builder -> builder));
    }

    /** Handles a request of one stage under a new key; returns that. */
    static KeyId once(IdempotencyKeyService<EntityManager> keys, Consumer<EntityManager> stage) {
        KeyId id = KeyId.of(UUID.randomUUID().toString());
        keys.once("place-order", id, REQUEST, held -> {
            stage.accept(held.transaction());
            return RESPONSE;
        });
        return id;
    }

    void close() {
        context.close();
    }
}
