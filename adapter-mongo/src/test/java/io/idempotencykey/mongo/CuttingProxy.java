package io.idempotencykey.mongo;

import com.mongodb.ConnectionString;
import com.mongodb.ServerAddress;
import com.mongodb.client.MongoClient;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.bson.Document;

/**
 * Stands between a client and its server, and cuts the connection at a command: before the command arrives, or before
 * its answer does.
 */
final class CuttingProxy implements AutoCloseable {
    /** Where the connection is cut. */
    enum Cut {
        /** The server gets the command and does it; its answer is lost. */
        ANSWER,
        /** The server gets the command later, when it is {@link #deliver delivered}. */
        COMMAND
    }

    /** A client's connection, and the connection to the server that belongs to it. */
    private static final class Connection {
        final Socket client;
        final Socket server;
        final AtomicInteger answersToCut = new AtomicInteger();
        final CountDownLatch lateAnswer = new CountDownLatch(1);
        volatile byte[] held = new byte[0];
        volatile boolean late;

        Connection(Socket client, Socket server) {
            this.client = client;
            this.server = server;
        }
    }

    private final ServerSocket socket;
    private final ServerAddress target;
    private final AtomicInteger left = new AtomicInteger();
    private final Queue<Connection> held = new ConcurrentLinkedQueue<>();
    private final Queue<Socket> open = new ConcurrentLinkedQueue<>();
    private volatile boolean isClosed;
    private volatile Cut cut = Cut.ANSWER;
    private volatile byte[] command = new byte[0];

    static CuttingProxy toThePrimaryOf(MongoClient client) throws IOException {
        Document hello = client.getDatabase("admin").runCommand(new Document("hello", 1));
        String primary = hello.containsKey("primary")
                ? hello.getString("primary")
                : new ConnectionString(TestServer.url()).getHosts().get(0);
        return new CuttingProxy(new ServerAddress(primary));
    }

    private CuttingProxy(ServerAddress target) throws IOException {
        this.target = target;
        this.socket = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        start(this::accept);
    }

    String url() {
        return "mongodb://127.0.0.1:" + socket.getLocalPort() + "/?directConnection=true";
    }

    /** Cuts the given number of the next commands of this name. */
    void cut(Cut where, String name, int times) {
        cut = where;
        command = name.getBytes(StandardCharsets.US_ASCII);
        left.set(times);
    }

    /** Gives the server what was held back, and waits for its answers. */
    int deliver() throws IOException {
        int delivered = 0;
        for (Connection next = held.poll(); next != null; next = held.poll()) {
            next.late = true;
            next.server.getOutputStream().write(next.held);
            Keys.await(next.lateAnswer);
            delivered++;
        }
        return delivered;
    }

    private void accept() throws IOException {
        while (true) {
            Connection connection = new Connection(socket.accept(), new Socket(target.getHost(), target.getPort()));
            open.add(connection.client);
            open.add(connection.server);
            if (isClosed) {
                // The connections that there were may be closed already.
                connection.client.close();
                connection.server.close();
                return;
            }
            start(() -> forward(connection));
            start(() -> answer(connection));
        }
    }

    private void forward(Connection connection) throws IOException {
        try (Socket client = connection.client) {
            DataInputStream input = new DataInputStream(client.getInputStream());
            OutputStream output = connection.server.getOutputStream();
            while (true) {
                byte[] message = read(input);
                boolean met = contains(message, command) && left.getAndUpdate(n -> Math.max(0, n - 1)) > 0;
                if (met && cut == Cut.COMMAND) {
                    connection.held = message;
                    held.add(connection);
                    return;
                }
                if (met) {
                    connection.answersToCut.incrementAndGet();
                }
                output.write(message);
            }
        }
    }

    private static void answer(Connection connection) throws IOException {
        try (Socket client = connection.client) {
            DataInputStream input = new DataInputStream(connection.server.getInputStream());
            OutputStream output = client.getOutputStream();
            while (true) {
                byte[] message = read(input);
                if (connection.late) {
                    connection.lateAnswer.countDown();
                    return;
                }
                if (connection.answersToCut.get() > 0) {
                    return;
                }
                output.write(message);
            }
        }
    }

    /** Reads one message of the wire protocol, which begins with its length. */
    private static byte[] read(DataInputStream input) throws IOException {
        byte[] length = new byte[4];
        input.readFully(length);
        int bytes = ByteBuffer.wrap(length).order(ByteOrder.LITTLE_ENDIAN).getInt();
        byte[] message = new byte[bytes];
        System.arraycopy(length, 0, message, 0, 4);
        input.readFully(message, 4, bytes - 4);
        return message;
    }

    private static boolean contains(byte[] message, byte[] name) {
        if (name.length == 0) {
            return false;
        }
        String text = new String(message, StandardCharsets.ISO_8859_1);
        // The name is the first field of the command's document.
        return text.indexOf(new String(name, StandardCharsets.ISO_8859_1) + "\0") >= 0;
    }

    @FunctionalInterface
    private interface Work {
        void run() throws IOException;
    }

    private static void start(Work work) {
        Thread thread = new Thread(() -> {
            try {
                work.run();
            } catch (EOFException | java.net.SocketException closed) {
                // A connection's ordinary end.
                Thread.currentThread().setName("ended: " + closed.getMessage());
            } catch (IOException e) {
                throw new IllegalStateException(e);
            }
        });
        thread.setDaemon(true);
        thread.start();
    }

    /** Takes no connection any more, and cuts those that there are. */
    void cutAll() {
        try {
            close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void close() throws IOException {
        isClosed = true;
        socket.close();
        for (Socket each : open) {
            each.close();
        }
    }
}
