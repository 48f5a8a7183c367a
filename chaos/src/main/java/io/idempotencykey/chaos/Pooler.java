package io.idempotencykey.chaos;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** PgBouncer in transaction mode, as {@code tools/pgbouncer} runs it. */
final class Pooler {
    private final Processes processes;
    private final Path folder;
    private final int port = Postgresql.freePort();
    private Processes.@Nullable Child process;

    Pooler(Processes processes, Path folder, int server) throws IOException, InterruptedException {
        this.processes = processes;
        this.folder = folder;
        Processes.run(Processes.tool("pgbouncer").toArray(String[]::new));
        Files.writeString(folder.resolve("pgbouncer.ini"), """
                [databases]
                shop = host=127.0.0.1 port=%d user=postgres
                [pgbouncer]
                listen_addr = 127.0.0.1
                listen_port = %d
                unix_socket_dir =
                auth_type = any
                pool_mode = transaction
                default_pool_size = 30
                max_client_conn = 500
                ignore_startup_parameters = extra_float_digits
                server_login_retry = 1
                query_wait_timeout = 10
                """.formatted(server, port));
    }

    int port() {
        return port;
    }

    void start() throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(Processes.tool("pgbouncer"));
        command.add(folder.resolve("pgbouncer.ini").toString());
        process = processes.start(folder.resolve("pgbouncer.log"), command);
    }

    void kill() throws IOException, InterruptedException {
        Objects.requireNonNull(process).kill();
    }
}
