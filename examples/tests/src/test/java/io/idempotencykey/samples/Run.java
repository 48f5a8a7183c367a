package io.idempotencykey.samples;

import java.io.IOException;
import java.nio.file.Path;

/** Runs a sample with a new database until it is stopped; {@code examples/run} calls this. */
final class Run {
    private Run() {}

    public static void main(String[] arguments) throws IOException, InterruptedException {
        String name = arguments[0] + "/" + arguments[1];
        String database = arguments[0].equals("orders-mongo")
                ? "spring.mongodb.uri=" + MongoServer.newDatabase()
                : "spring.datasource.url=" + PostgresqlServer.newDatabase();
        Path temporary = Path.of(System.getProperty("java.io.tmpdir"));
        Process process = new ProcessBuilder(Sample.command(name, temporary, database, "server.port=" + arguments[2]))
                .inheritIO()
                .start();
        Runtime.getRuntime().addShutdownHook(new Thread(process::destroy));
        System.exit(process.waitFor());
    }
}
