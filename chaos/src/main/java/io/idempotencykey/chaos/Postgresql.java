package io.idempotencykey.chaos;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.jspecify.annotations.Nullable;
import org.tukaani.xz.XZInputStream;

/** PostgreSQL of the build's version: one server, or a primary whose standby can take its place. */
final class Postgresql implements Store {
    /** What a standby is to the primary. */
    enum Replication {
        NONE,
        SYNCHRONOUS,
        ASYNCHRONOUS
    }

    private static final String BINARIES = "/postgres-linux-x86_64.txz";
    private static final long PATIENCE_SECONDS = 60;

    private final Processes processes;
    private final Path folder;
    private final Replication replication;
    private final List<Node> standby = new ArrayList<>();
    private final List<Checker.Promotion> promotions = Collections.synchronizedList(new ArrayList<>());
    private volatile Node primary;
    private int promoted;
    private boolean begun;
    /** What the standby reaches the primary by. */
    private @Nullable FaultProxy link;

    /** A server and its data. */
    private final class Node {
        private final Path data;
        private final int port = freePort();
        private Processes.@Nullable Child server;

        Node(Path data) throws IOException {
            this.data = data;
        }

        void start(String... settings) throws IOException, InterruptedException, SQLException {
            List<String> command = new ArrayList<>(List.of(
                    folder.resolve("postgresql/bin/postgres").toString(), "-D", data.toString(), "-p", "" + port));
            for (String setting : settings) {
                command.addAll(List.of("-c", setting));
            }
            long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
            while (true) {
                Processes.Child started = processes.startAsNobody(folder.resolve("postgresql.log"), command);
                server = started;
                while (started.isAlive() && System.nanoTime() < end) {
                    if (answers()) {
                        return;
                    }
                    Thread.sleep(50);
                }
                // The processes of a server that was killed may take a moment to end.
                if (System.nanoTime() > end) {
                    throw new IOException("PostgreSQL doesn't start; its log ends with " + lastLines());
                }
                Thread.sleep(200);
            }
        }

        private String lastLines() throws IOException {
            List<String> lines = Files.readAllLines(folder.resolve("postgresql.log"));
            return String.join("\n", lines.subList(Math.max(0, lines.size() - 5), lines.size()));
        }

        boolean runs() {
            return server != null && server.isAlive();
        }

        boolean answers() {
            try (Connection connection = connect("postgres");
                    Statement statement = connection.createStatement()) {
                return statement.execute("select 1");
            } catch (SQLException e) {
                return false;
            }
        }

        Connection connect(String database) throws SQLException {
            return DriverManager.getConnection("jdbc:postgresql://127.0.0.1:" + port + "/" + database
                    + "?user=postgres&connectTimeout=2&socketTimeout=10");
        }

        void kill() throws IOException, InterruptedException {
            if (server != null) {
                server.kill();
            }
        }

        /** Stops the server in order, so that its data can be copied. */
        void stop() throws IOException, InterruptedException {
            Processes.Child stopping = Objects.requireNonNull(server);
            stopping.signal("INT");
            stopping.awaitEnd();
        }
    }

    /** Makes the server's first data in a folder of the disk; the rest goes to the other folder. */
    Postgresql(Processes processes, Path folder, Path disk, Replication replication)
            throws IOException, InterruptedException {
        this.processes = processes;
        this.folder = folder;
        this.replication = replication;
        unpack(folder.resolve("postgresql"));
        primary = new Node(disk.resolve("primary"));
        List<String> initdb = new ArrayList<>(Processes.isRoot() ? List.of("unshare", "--user") : List.of());
        initdb.addAll(List.of(
                folder.resolve("postgresql/bin/initdb").toString(),
                "-D",
                primary.data.toString(),
                "-U",
                "postgres",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--no-locale",
                "--no-sync"));
        Processes.run(initdb.toArray(String[]::new));
        Files.writeString(primary.data.resolve("postgresql.conf"), """
                listen_addresses = '127.0.0.1'
                unix_socket_directories = ''
                max_connections = 200
                shared_buffers = 32MB
                max_wal_size = 256MB
                wal_retrieve_retry_interval = 200ms
                """);
    }

    private static void unpack(Path target) throws IOException {
        try (InputStream packed = Objects.requireNonNull(Postgresql.class.getResourceAsStream(BINARIES), BINARIES);
                TarArchiveInputStream files = new TarArchiveInputStream(new XZInputStream(packed))) {
            for (TarArchiveEntry entry = files.getNextEntry(); entry != null; entry = files.getNextEntry()) {
                Path path = target.resolve(entry.getName());
                if (entry.isDirectory()) {
                    Files.createDirectories(path);
                    continue;
                }
                Files.createDirectories(Objects.requireNonNull(path.getParent()));
                if (entry.isSymbolicLink()) {
                    Files.createSymbolicLink(path, Path.of(entry.getLinkName()));
                } else {
                    Files.copy(files, path);
                    Files.setPosixFilePermissions(
                            path,
                            PosixFilePermissions.fromString((entry.getMode() & 0100) == 0 ? "rw-r--r--" : "rwxr-xr-x"));
                }
            }
        }
    }

    static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        }
    }

    @Override
    public void start() throws IOException, InterruptedException, SQLException {
        boolean isNew = !begun;
        if (isNew) {
            attachStandby();
        }
        startPrimary();
        for (Node node : standby) {
            if (!node.runs()) {
                node.start();
            }
        }
        if (isNew) {
            begun = true;
            try (Connection connection = primary.connect("postgres");
                    Statement statement = connection.createStatement()) {
                statement.execute("create database shop");
            }
        }
    }

    private void startPrimary() throws IOException, InterruptedException, SQLException {
        if (replication == Replication.SYNCHRONOUS && !standby.isEmpty()) {
            primary.start("synchronous_standby_names=*");
        } else {
            primary.start();
        }
    }

    /** Makes a standby of the primary's data, which nobody uses meanwhile. */
    private void attachStandby() throws IOException, InterruptedException {
        if (replication == Replication.NONE) {
            return;
        }
        Node node = new Node(primary.data.resolveSibling("standby-" + System.nanoTime()));
        Processes.run("cp", "-R", primary.data.toString(), node.data.toString());
        link = new FaultProxy(primary.port);
        Files.createFile(node.data.resolve("standby.signal"));
        Files.writeString(
                node.data.resolve("postgresql.auto.conf"),
                "primary_conninfo = 'host=127.0.0.1 port=" + link.port() + " user=postgres'\n");
        standby.add(node);
    }

    /**
     * Kills the primary while its standby has heard nothing for a moment, promotes that, leads the shops there, and
     * gives it a standby of its own.
     */
    void promote(FaultProxy shops, Random random) throws IOException, InterruptedException, SQLException {
        // What a synchronous primary had committed when it was restarted, or when a waiting backend was ended, is seen
        // before it is replicated; and an asynchronous one is to have no more to lose than what comes from now on.
        Instant since = awaitReplication();
        FaultProxy replicating = Objects.requireNonNull(link);
        replicating.swallowAll();
        Thread.sleep(200 + random.nextInt(500));
        Node old = primary;
        old.kill();
        promotions.add(new Checker.Promotion(since, Instant.now()));
        replicating.close();
        Node next = standby.remove(0);
        try (Connection connection = next.connect("postgres");
                Statement statement = connection.createStatement()) {
            try (ResultSet row = statement.executeQuery("select pg_promote(true, 30)")) {
                if (!row.next() || !row.getBoolean(1)) {
                    throw new IOException("the standby isn't promoted within 30 s");
                }
            }
        }
        primary = next;
        shops.lead(next.port);
        Processes.run("rm", "-rf", old.data.toString());
        Thread.sleep(1_000 + random.nextInt(1_000));
        next.stop();
        attachStandby();
        startPrimary();
        for (Node node : standby) {
            node.start();
        }
        promoted++;
    }

    /** Whether a promotion failed after its primary was killed. */
    boolean isHalfPromoted() {
        return promotions.size() > promoted;
    }

    /** Waits until the standby has all that was written until now, and returns when that was. */
    private Instant awaitReplication() throws IOException, InterruptedException, SQLException {
        try (Connection connection = primary.connect("postgres");
                Statement statement = connection.createStatement()) {
            Instant now = Instant.now();
            String written;
            try (ResultSet row = statement.executeQuery("select pg_current_wal_insert_lsn()")) {
                row.next();
                written = row.getString(1);
            }
            long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
            while (System.nanoTime() < end) {
                try (ResultSet row = statement.executeQuery("select 1 from pg_stat_replication where sync_state = '"
                        + (replication == Replication.SYNCHRONOUS ? "sync" : "async")
                        + "' and flush_lsn >= '" + written + "'")) {
                    if (row.next()) {
                        return now;
                    }
                }
                Thread.sleep(20);
            }
        }
        throw new IOException("the standby doesn't follow within " + PATIENCE_SECONDS + " s");
    }

    /** When the standby took over from a primary that it didn't keep up with. */
    List<Checker.Promotion> promotions() {
        return List.copyOf(promotions);
    }

    @Override
    public void kill() throws IOException, InterruptedException {
        primary.kill();
    }

    @Override
    public boolean answers() {
        return primary.answers() && standby.stream().allMatch(Node::runs);
    }

    @Override
    public String version() throws SQLException {
        try (Connection connection = primary.connect("postgres")) {
            return "PostgreSQL " + connection.getMetaData().getDatabaseProductVersion();
        }
    }

    @Override
    public int port() {
        return primary.port;
    }

    @Override
    public List<String> options(int port, int connections) {
        return List.of(
                "--connections",
                "" + connections,
                "--url",
                "jdbc:postgresql://127.0.0.1:" + port
                        + "/shop?user=postgres&prepareThreshold=0&connectTimeout=2&socketTimeout=3");
    }

    @Override
    public int endConnections(Random random) throws IOException, InterruptedException, SQLException {
        List<String> backends = new ArrayList<>();
        try (Connection connection = primary.connect("shop");
                Statement statement = connection.createStatement()) {
            try (ResultSet rows = statement.executeQuery("select pid from pg_stat_activity"
                    + " where datname = 'shop' and pid <> pg_backend_pid() order by random()")) {
                while (rows.next()) {
                    backends.add(rows.getString(1));
                }
            }
            if (backends.isEmpty()) {
                return 0;
            }
            if (random.nextInt(3) > 0) {
                List<String> chosen = backends.subList(0, (backends.size() + 1) / 2);
                for (String pid : chosen) {
                    statement.execute("select pg_terminate_backend(" + pid + ")");
                }
                return chosen.size();
            }
        }
        // The server then ends all others, too, and recovers.
        Processes.run("kill", "-KILL", backends.get(0));
        return backends.size();
    }

    @Override
    public void setReadOnly(boolean readOnly) throws SQLException {
        try (Connection connection = primary.connect("postgres");
                Statement statement = connection.createStatement()) {
            statement.execute("set default_transaction_read_only = off");
            statement.execute("set transaction_read_only = off");
            statement.execute("alter system set default_transaction_read_only = " + (readOnly ? "on" : "off"));
            statement.execute("select pg_reload_conf()");
        }
    }

    @Override
    public Contents contents() throws SQLException {
        try (Connection connection = primary.connect("shop")) {
            return SqlContents.read(connection, "creation_id");
        }
    }

    @Override
    public void close() {
        if (link != null) {
            link.close();
        }
        try {
            primary.kill();
            for (Node node : standby) {
                node.kill();
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
