package io.idempotencykey.benchmarks;

import com.zaxxer.hikari.HikariDataSource;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.util.Objects;
import org.springframework.integration.jdbc.metadata.JdbcMetadataStore;

/**
 * Spring Integration's {@code JdbcMetadataStore}, which keeps the keys of its idempotent receiver, in the transaction
 * of the work.
 *
 * <p>It guarantees that of all requests with a key one commits, with its work. It stores no answer, so that a retry
 * only learns that it is one; it doesn't compare requests, and a second request waits for the first one's transaction.
 */
public final class SpringIntegration implements Rival {
    /** For {@link java.util.ServiceLoader}. */
    public SpringIntegration() {}

    @Override
    public String title() {
        return "Spring Integration";
    }

    @Override
    public double roundTrips() {
        return 3;
    }

    @Override
    public Contestant.Task open(String url, HikariDataSource pool, Contest contest) throws SQLException, IOException {
        try (InputStream schema = Objects.requireNonNull(JdbcMetadataStore.class.getResourceAsStream(
                "/org/springframework/integration/jdbc/schema-postgresql.sql"))) {
            Server.execute(url, new String(schema.readAllBytes(), StandardCharsets.UTF_8));
        }
        SpringWork work = new SpringWork(pool);
        JdbcMetadataStore store = new JdbcMetadataStore(work.dataSource());
        store.afterPropertiesSet();
        store.start();
        AutoCloseable unused = contest.closing(store::stop);
        return number -> request(work, store, Example.newKey());
    }

    private static void request(SpringWork work, JdbcMetadataStore store, String key) {
        work.transaction(() -> {
            if (store.putIfAbsent(key, Long.toString(System.currentTimeMillis())) != null) {
                throw new IllegalStateException("the key is stored: " + key);
            }
            work.book(key);
        });
    }
}
