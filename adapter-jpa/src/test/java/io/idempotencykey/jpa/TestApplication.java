package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.Request;
import io.idempotencykey.Response;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;
import org.hibernate.Session;
import org.hibernate.cfg.Configuration;

/** What several tests need of an application around the store. */
final class TestApplication {
    static final Request REQUEST = Request.of("POST", "/carts", Map.of());
    static final Response RESPONSE = Response.of(201, "text/plain", "done");

    private TestApplication() {}

    /** A factory of other classes than usual. */
    static EntityManagerFactory factory(DataSource dataSource, Map<String, ?> properties, Class<?>... managed) {
        Configuration configuration = new Configuration();
        for (Class<?> each : managed) {
            configuration.addAnnotatedClass(each);
        }
        configuration.getProperties().putAll(properties);
        configuration.getProperties().put("hibernate.connection.datasource", dataSource);
        return configuration.buildSessionFactory();
    }

    /** The first column of the rows that a query on a connection of its own finds. */
    static List<String> ask(String url, String sql) throws SQLException {
        try (Connection connection = DriverManager.getConnection(url)) {
            return ask(connection, sql);
        }
    }

    static List<String> ask(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet result = statement.executeQuery(sql)) {
            List<String> found = new ArrayList<>();
            while (result.next()) {
                found.add(result.getString(1));
            }
            return found;
        }
    }

    /** What a query finds on the connection of an entity manager. */
    static String ask(EntityManager em, String sql) {
        return em.unwrap(Session.class).doReturningWork(connection -> String.join(",", ask(connection, sql)));
    }

    static String isolationOnH2(EntityManager em) {
        return ask(em, "select isolation_level from information_schema.sessions where session_id = session_id()");
    }

    static List<String> rows(String url) throws SQLException {
        return ask(url, "select name from contract_row order by name");
    }

    /** Runs work on a thread of its own, which ends with the JVM. */
    static <R> CompletableFuture<R> elsewhere(java.util.concurrent.Callable<R> work) {
        CompletableFuture<R> future = new CompletableFuture<>();
        Thread thread = new Thread(() -> {
            try {
                future.complete(work.call());
            } catch (Throwable e) {
                future.completeExceptionally(e);
            }
        });
        thread.setDaemon(true);
        thread.start();
        return future;
    }

    static void await(CountDownLatch latch) {
        try {
            assertThat(latch.await(30, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
