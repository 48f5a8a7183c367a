package io.idempotencykey.chaos;

import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;

/** The kinds of faults, in the order of the report. */
enum Fault {
    KILL("a shop is killed (SIGKILL), and started again", "shops"),
    STOP("a shop stands still (SIGSTOP) for longer than its lease, and goes on", "shops"),
    BUSY("forty threads that never wait run beside everything else for some seconds", "threads"),
    SERVER("the server is killed (SIGKILL), and started again on its data", "servers"),
    BACKEND(
            "the server ends connections, PostgreSQL at times by a SIGKILL of a process; MongoDB ends all sessions",
            "connections, or orders to end MongoDB's sessions"),
    CUT("half of the connections are cut", "connections"),
    HALF_OPEN("half of the connections swallow all that is sent, and stay open", "connections"),
    LOST("a commit reaches the server, and its answer doesn't reach the shop", "commits that the server answered"),
    LATE(
            "a commit reaches the server only when its connection has been cut for up to two seconds",
            "commits that the server answered"),
    LATENCY("each packet takes up to a tenth of a second longer", "packets"),
    POOL(
            "each packet takes so long that a shop's pool of two connections is empty for longer than anyone waits",
            "packets"),
    DISK("the disk is full", "disks"),
    READ_ONLY("the server takes no writes", "servers"),
    POOLER("PgBouncer is killed (SIGKILL), and started again", "poolers"),
    PROMOTION("the primary is killed while replication lags, and its standby is promoted", "servers");

    private final String description;
    private final String unit;

    Fault(String description, String unit) {
        this.description = description;
        this.unit = unit;
    }

    String description() {
        return description;
    }

    /** What is counted of it. */
    String unit() {
        return unit;
    }

    /** Its name on the command line and in the report. */
    String text() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    static Optional<Fault> named(String text) {
        return Arrays.stream(values())
                .filter(fault -> fault.text().equals(text))
                .findFirst();
    }
}
