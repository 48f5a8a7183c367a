package io.idempotencykey.compatibility;

import java.io.IOException;
import java.sql.SQLException;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Tag;

@Tag("databases")
class MariadbCompatibilityTest extends SqlCompatibilityContract {
    private static final Set<String> BINARY = Set.of("creation_id", "revision", "response_body");

    @SuppressWarnings("NullAway.Init") // started before each test
    private ToolServer server;

    MariadbCompatibilityTest() {
        super("mariadb");
    }

    @Override
    String newDatabase() throws IOException {
        server = ToolServer.start("mariadb-server");
        return server.url().replace("/?", "/shop?createDatabaseIfNotExist=true&");
    }

    @Override
    void close() throws Exception {
        super.close();
        server.close();
    }

    @Override
    List<String> inserts() throws SQLException {
        return inserts(column -> BINARY.contains(column)
                ? "if(" + column + " is null, 'null', concat('x', quote(hex(" + column + "))))"
                : "quote(" + column + ")");
    }
}
