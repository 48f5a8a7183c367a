package io.idempotencykey.chaos;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/** MySQL or MariaDB, as {@code tools/mysql-server} or {@code tools/mariadb-server} starts it. */
final class Mysql implements Store {
    private final Processes processes;
    private final Path folder;
    private final Path data;
    private final boolean mariadb;
    private final int port = Postgresql.freePort();
    private Processes.@Nullable Child server;
    private boolean begun;

    Mysql(Processes processes, Path folder, Path disk, boolean mariadb) throws IOException {
        this.processes = processes;
        this.folder = folder;
        this.data = disk.resolve("data");
        this.mariadb = mariadb;
    }

    @Override
    public void start() throws IOException, InterruptedException, SQLException {
        List<String> command = new ArrayList<>(Processes.tool(mariadb ? "mariadb-server" : "mysql-server"));
        command.addAll(List.of("--port", "" + port, "--data", data.toString()));
        Processes.Child started = processes.start(folder.resolve("server.log"), command);
        server = started;
        String unused = started.firstLine();
        if (!begun) {
            begun = true;
            try (Connection connection = connect("");
                    Statement statement = connection.createStatement()) {
                statement.execute("create database shop");
                // Not one that a server's read_only lets through.
                statement.execute("create user 'shop'@'127.0.0.1'");
                statement.execute("grant all on shop.* to 'shop'@'127.0.0.1'");
            }
        }
    }

    private String url(int through, String database, String user, long millis) {
        return "jdbc:" + (mariadb ? "mariadb" : "mysql") + "://127.0.0.1:" + through + "/" + database + "?user=" + user
                + "&connectTimeout=2000&socketTimeout=" + millis
                + (mariadb ? "" : "&sslMode=DISABLED&allowPublicKeyRetrieval=true");
    }

    private Connection connect(String database) throws SQLException {
        return DriverManager.getConnection(url(port, database, "root", 10_000));
    }

    @Override
    public void kill() throws IOException, InterruptedException {
        // The tool's server is killed with it.
        Objects.requireNonNull(server).kill();
    }

    @Override
    public boolean answers() {
        try (Connection connection = connect("shop");
                Statement statement = connection.createStatement()) {
            // A server whose disk was full may hang at its next commit.
            statement.execute("create table if not exists alive (n int)");
            return true;
        } catch (SQLException e) {
            return false;
        }
    }

    @Override
    public String version() throws SQLException {
        try (Connection connection = connect("")) {
            return (mariadb ? "MariaDB " : "MySQL ") + connection.getMetaData().getDatabaseProductVersion();
        }
    }

    @Override
    public int port() {
        return port;
    }

    @Override
    public List<String> options(int through, int connections) {
        return List.of("--connections", "" + connections, "--url", url(through, "shop", "shop", 3_000));
    }

    @Override
    public int endConnections(Random random) throws SQLException {
        List<String> ids = new ArrayList<>();
        try (Connection connection = connect("");
                Statement statement = connection.createStatement()) {
            try (ResultSet rows = statement.executeQuery(
                    "select id from information_schema.processlist where user = 'shop' order by rand()")) {
                while (rows.next()) {
                    ids.add(rows.getString(1));
                }
            }
            List<String> chosen = ids.subList(0, (ids.size() + 1) / 2);
            int ended = 0;
            for (String id : chosen) {
                try {
                    statement.execute("kill " + id);
                    ended++;
                } catch (SQLException e) {
                    // It has ended by itself.
                }
            }
            return ended;
        }
    }

    @Override
    public void setReadOnly(boolean readOnly) throws SQLException {
        try (Connection connection = connect("");
                Statement statement = connection.createStatement()) {
            statement.execute(
                    "set global " + (mariadb ? "read_only" : "super_read_only") + " = " + (readOnly ? "on" : "off"));
            if (!mariadb && !readOnly) {
                statement.execute("set global read_only = off");
            }
        }
    }

    @Override
    public Contents contents() throws SQLException {
        try (Connection connection = connect("shop")) {
            return SqlContents.read(connection, "hex(creation_id)");
        }
    }

    @Override
    public void close() {
        try {
            if (server != null) {
                server.kill();
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
