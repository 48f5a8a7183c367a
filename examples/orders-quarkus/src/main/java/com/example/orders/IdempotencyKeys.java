package com.example.orders;

import io.idempotencykey.jpa.JpaKeyStore;
import io.idempotencykey.service.Background;
import io.idempotencykey.service.IdempotencyKeyService;
import io.quarkus.runtime.Startup;
import jakarta.annotation.PreDestroy;
import jakarta.enterprise.inject.Produces;
import jakarta.inject.Singleton;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import javax.sql.DataSource;

/** The service over keys in the application's own database. Made at the start, which fails if it can't work. */
@Startup
@Singleton
public class IdempotencyKeys {
    private final IdempotencyKeyService<EntityManager> keys;
    private final Background background;

    public IdempotencyKeys(EntityManagerFactory factory, EntityManager entityManager, DataSource database)
            throws IOException, SQLException {
        createTable(database);
        // Stages run in new transactions of JTA, and with the entity manager that is injected elsewhere, too.
        JpaKeyStore store =
                JpaKeyStore.builder(factory).entityManager(() -> entityManager).build();
        this.keys = new IdempotencyKeyService<>(store);
        this.background = keys.background().start();
    }

    /** May be run as often as one likes; a schema tool does as well. */
    private static void createTable(DataSource database) throws IOException, SQLException {
        try (InputStream sql = JpaKeyStore.class.getResourceAsStream("schema/postgresql.sql");
                Connection connection = database.getConnection();
                Statement statement = connection.createStatement()) {
            statement.execute(new String(sql.readAllBytes(), StandardCharsets.UTF_8));
        }
    }

    @Produces
    @Singleton
    IdempotencyKeyService<EntityManager> keys() {
        return keys;
    }

    @PreDestroy
    void stop() {
        background.close();
    }
}
