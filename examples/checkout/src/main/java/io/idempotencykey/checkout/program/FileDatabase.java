package io.idempotencykey.checkout.program;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.UUID;
import org.h2.tools.Server;

/**
 * An H2 database in a file. The process that has it open holds the operating system's lock on the file, which ends with
 * the process. It lets other processes in through a port of the loopback interface; a second file names the port.
 */
final class FileDatabase {
    static {
        // H2 reads this when its first class is loaded; without it, its server would listen on all interfaces.
        System.setProperty("h2.bindAddress", "127.0.0.1");
    }

    private final Path path;
    private final Path sharedUrl;

    FileDatabase(Path directory) {
        path = directory.toAbsolutePath().resolve("shop");
        sharedUrl = path.resolveSibling("shop.url");
        if (path.toString().contains(";")) {
            throw new Options.Refused("--data is '" + directory + "'; allowed: a path without ';'");
        }
    }

    /**
     * The database's URL. Its write delay is zero, so that a commit that was answered survives the kill of the process;
     * by default, H2 writes up to 500 ms later.
     */
    String url() {
        return "jdbc:h2:file:" + path + ";WRITE_DELAY=0;DB_CLOSE_ON_EXIT=FALSE;TRACE_LEVEL_FILE=0;LOCK_TIMEOUT=500";
    }

    /** Lets other processes in while this one has the database open. */
    Runnable share() throws IOException, SQLException {
        // Only those who can read the file know the key.
        String key = UUID.randomUUID().toString();
        Server server = Server.createTcpServer("-tcpPort", "0", "-tcpDaemon", "-key", key, "file:" + path)
                .start();
        Path written = Files.writeString(
                path.resolveSibling("shop.url.new"), "jdbc:h2:tcp://127.0.0.1:" + server.getPort() + "/" + key);
        Files.move(written, sharedUrl, StandardCopyOption.ATOMIC_MOVE);
        return server::stop;
    }

    /** The URL for another process, which makes no database: through the one that has it open, if there is one. */
    String joiningUrl() throws IOException {
        String own = url() + ";IFEXISTS=TRUE";
        try {
            DriverManager.getConnection(own).close();
            return own;
        } catch (SQLException e) {
            // There is none, or another process has it open. What that has written is stale if it was killed.
            return Files.exists(sharedUrl) ? Files.readString(sharedUrl) : own;
        }
    }
}
