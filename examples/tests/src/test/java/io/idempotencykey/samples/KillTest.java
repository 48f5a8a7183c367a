package io.idempotencykey.samples;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.Statement;
import java.util.UUID;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** An application that is killed in the middle of a request. */
class KillTest {
    private static final String WAITERS =
            "select count(*) from pg_locks where relation = 'orders'::regclass and not granted";

    private final String key = UUID.randomUUID().toString();
    private final String item = "tea of " + key;
    private final String url = PostgresqlServer.newDatabase() + "?user=postgres&password=postgres";

    @TempDir
    private Path temporary;

    private Sample start(String name) {
        return Sample.start(name, temporary, Sample.database(name, url));
    }

    private HttpResponse<String> place(Sample sample) {
        return sample.post("/orders", "{\"item\": \"" + item + "\", \"quantity\": 2}", "Idempotency-Key", key);
    }

    @ParameterizedTest
    @ValueSource(strings = {"orders-jpa/after", "orders-quarkus"})
    void itsRetryPlacesTheOrderOnce(String name) throws Exception {
        killInTheMiddleOfARequest(name);

        try (Sample sample = start(name)) {
            assertThat(sample.count("/orders", "item", item)).isZero();
            // The database frees the key when it notices that its client is gone.
            Patience.await("the retry is let in", () -> place(sample).statusCode() == 201);
            HttpResponse<String> retry = place(sample);

            assertThat(retry.statusCode()).isEqualTo(201);
            assertThat(retry.headers().firstValue("Idempotency-Replayed")).contains("true");
            assertThat(sample.count("/orders", "item", item)).isEqualTo(1);
        }
    }

    /** A lock on the table holds the request at its insert, when its transaction has the key. */
    private void killInTheMiddleOfARequest(String name) throws Exception {
        ExecutorService executor = Executors.newSingleThreadExecutor();
        try (Sample sample = start(name);
                Connection connection = DriverManager.getConnection(url);
                Statement statement = connection.createStatement()) {
            connection.setAutoCommit(false);
            statement.execute("lock table orders in exclusive mode");
            Future<HttpResponse<String>> request = executor.submit(() -> place(sample));
            Patience.await("the request is held", () -> {
                assertThat(request.isDone()).isFalse();
                try (ResultSet waiters = statement.executeQuery(WAITERS)) {
                    return waiters.next() && waiters.getInt(1) == 1;
                }
            });
            sample.kill();
            connection.rollback();
        } finally {
            executor.shutdownNow();
        }
    }
}
