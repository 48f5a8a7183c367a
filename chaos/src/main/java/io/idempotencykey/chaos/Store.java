package io.idempotencykey.chaos;

import java.io.IOException;
import java.sql.SQLException;
import java.util.List;
import java.util.Random;

/** A server with the shops' database. Whatever fails on the way to it is told as an exception; the caller goes on. */
interface Store extends AutoCloseable {
    /** Starts the server on its data; returns when it takes connections. */
    void start() throws IOException, InterruptedException, SQLException;

    /** Kills the server. */
    void kill() throws IOException, InterruptedException;

    /** Whether the server answers. */
    boolean answers();

    /** Its name and version. */
    String version() throws SQLException;

    /** The port that shops are led to. */
    int port();

    /** A shop's options for this store, which it reaches by a port of this machine and with so many connections. */
    List<String> options(int port, int connections);

    /** Lets the server end some of its connections; returns how many. */
    int endConnections(Random random) throws IOException, InterruptedException, SQLException;

    /** Turns writing off or on. */
    void setReadOnly(boolean readOnly) throws SQLException;

    /** All that is stored; the charges are somewhere else. */
    Contents contents() throws SQLException;

    @Override
    void close();
}
