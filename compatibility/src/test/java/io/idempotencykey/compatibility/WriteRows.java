package io.idempotencykey.compatibility;

import java.nio.file.Files;
import java.nio.file.Path;

/** Makes the kept rows anew, from version 0.1 itself, in the folder that the argument names. */
final class WriteRows {
    private WriteRows() {}

    public static void main(String[] arguments) throws Exception {
        Path folder = Path.of(arguments[0]);
        for (SqlCompatibilityContract each : new SqlCompatibilityContract[] {
            new H2CompatibilityTest(), new PostgresqlCompatibilityTest(), new MariadbCompatibilityTest()
        }) {
            each.openIn(Files.createTempDirectory("first"));
            Files.writeString(folder.resolve(each.file()), each.dump());
            each.close();
        }
        MongoCompatibilityTest mongo = new MongoCompatibilityTest();
        mongo.openIn(Files.createTempDirectory("first"));
        Files.writeString(folder.resolve("keys-mongodb.json"), mongo.dump());
        mongo.close();
    }
}
