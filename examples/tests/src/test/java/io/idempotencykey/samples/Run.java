package io.idempotencykey.samples;

import java.io.IOException;
import java.nio.file.Path;

/** Runs a sample with a new database until it is stopped; {@code examples/run} calls this. */
final class Run {
    private Run() {}

    public static void main(String[] arguments) throws IOException, InterruptedException {
        String name = arguments[0];
        String database = name.startsWith("orders-mongo")
                ? "spring.mongodb.uri=" + MongoServer.newDatabase()
                : Sample.database(name, PostgresqlServer.newDatabase());
        Path temporary = Path.of(System.getProperty("java.io.tmpdir"));
        Process process = new ProcessBuilder(Sample.command(name, temporary, Integer.parseInt(arguments[1]), database))
                .inheritIO()
                .start();
        Runtime.getRuntime().addShutdownHook(new Thread(process::destroy));
        System.exit(process.waitFor());
    }
}
