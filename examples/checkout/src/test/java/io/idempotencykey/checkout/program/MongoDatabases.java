package io.idempotencykey.checkout.program;

import java.io.IOException;
import java.util.concurrent.atomic.AtomicInteger;

/** Databases of the server that {@code MONGODB_URI} names, or else of one that the tests' JVM starts and ends. */
final class MongoDatabases {
    private static final AtomicInteger DATABASES = new AtomicInteger();
    private static final String SERVER = server();

    private MongoDatabases() {}

    private static String server() {
        String given = System.getenv("MONGODB_URI");
        if (given != null) {
            return given;
        }
        try {
            MongoServer started = MongoServer.start();
            Runtime.getRuntime().addShutdownHook(new Thread(started::close));
            return started.url();
        } catch (IOException e) {
            throw new IllegalStateException("MongoDB's stand-in doesn't start; or set MONGODB_URI", e);
        }
    }

    /** The options for a new, empty database. */
    static String[] newDatabase() {
        return in(SERVER, "shop" + ProcessHandle.current().pid() + "_" + DATABASES.incrementAndGet());
    }

    static String[] in(String server, String database) {
        String url = server.replaceFirst("^(mongodb(?:\\+srv)?://[^/?]+)/?[^?]*", "$1/" + database);
        return new String[] {"--store", "mongo", "--url", url};
    }
}
