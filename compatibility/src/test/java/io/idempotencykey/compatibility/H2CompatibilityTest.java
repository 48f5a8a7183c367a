package io.idempotencykey.compatibility;

import java.sql.SQLException;
import java.util.List;
import java.util.UUID;

class H2CompatibilityTest extends SqlCompatibilityContract {
    H2CompatibilityTest() {
        super("h2");
    }

    @Override
    String newDatabase() {
        return "jdbc:h2:mem:" + UUID.randomUUID();
    }

    @Override
    List<String> inserts() throws SQLException {
        return ask("script simple columns nosettings table idempotency_key").stream()
                .filter(line -> line.startsWith("INSERT"))
                .toList();
    }
}
