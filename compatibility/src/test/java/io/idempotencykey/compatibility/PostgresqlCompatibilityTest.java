package io.idempotencykey.compatibility;

import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.IOException;
import java.sql.SQLException;
import java.util.List;

class PostgresqlCompatibilityTest extends SqlCompatibilityContract {
    @SuppressWarnings("NullAway.Init") // started before each test
    private EmbeddedPostgres server;

    PostgresqlCompatibilityTest() {
        super("postgresql");
    }

    @Override
    String newDatabase() throws IOException {
        server = EmbeddedPostgres.start();
        return server.getJdbcUrl("postgres", "postgres");
    }

    @Override
    void close() throws Exception {
        super.close();
        server.close();
    }

    @Override
    List<String> inserts() throws SQLException {
        return inserts(column -> "quote_nullable(" + column + "::text)");
    }
}
