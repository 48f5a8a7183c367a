package io.idempotencykey.jpa;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Locale;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/** Stands between a client and a database server on this machine, and loses a connection at a chosen statement. */
final class CuttingProxy implements AutoCloseable {
    /** When the connection is lost, relative to the statement. */
    enum Cut {
        /** The server never gets the statement, and learns that its client is gone. */
        BEFORE,
        /** The server gets a part of it. */
        WITHIN,
        /** The server has answered, and the client doesn't hear it. */
        AFTER,
        /** The server has answered, and the client hears nothing for as long as it waits. */
        STALLED,
        /** The client is cut off at once; the server gets the statement at {@link #land}. */
        LATE
    }

    private record Trap(String statement, Cut cut) {}

    private final ServerSocket listener;
    private final int serverPort;
    private final Queue<Socket> open = new ConcurrentLinkedQueue<>();
    private final AtomicReference<@Nullable Trap> trap = new AtomicReference<>();
    private final CountDownLatch landing = new CountDownLatch(1);
    private final CountDownLatch landed = new CountDownLatch(1);

    CuttingProxy(int serverPort) throws IOException {
        this.serverPort = serverPort;
        this.listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        daemon(this::accept);
    }

    int port() {
        return listener.getLocalPort();
    }

    /** The next statement that has this text loses its connection. */
    void cut(String statement, Cut when) {
        trap.set(new Trap(statement.toLowerCase(Locale.ROOT), when));
    }

    boolean isSprung() {
        return trap.get() == null;
    }

    /** Lets a late statement arrive at the server, and waits for its answer. */
    void land() {
        landing.countDown();
        try {
            if (!landed.await(30, TimeUnit.SECONDS)) {
                throw new AssertionError("the late statement got no answer");
            }
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private void accept() {
        while (!listener.isClosed()) {
            try {
                Socket client = listener.accept();
                Socket server = new Socket(InetAddress.getLoopbackAddress(), serverPort);
                client.setTcpNoDelay(true);
                server.setTcpNoDelay(true);
                open.add(client);
                open.add(server);
                Link link = new Link(client, server);
                daemon(link::toServer);
                daemon(link::toClient);
            } catch (IOException e) {
                // The proxy is closed, or the server is away; the client sees it.
            }
        }
    }

    private final class Link {
        private final Socket client;
        private final Socket server;
        private final CountDownLatch answered = new CountDownLatch(1);
        private volatile @Nullable Cut cut;

        Link(Socket client, Socket server) {
            this.client = client;
            this.server = server;
        }

        void toServer() {
            byte[] buffer = new byte[65_536];
            try {
                InputStream in = client.getInputStream();
                OutputStream out = server.getOutputStream();
                for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
                    byte[] chunk = Arrays.copyOf(buffer, n);
                    Trap set = trap.get();
                    if (set != null && text(chunk).contains(set.statement) && trap.compareAndSet(set, null)) {
                        spring(set.cut, chunk, out);
                        return;
                    }
                    out.write(chunk);
                }
            } catch (IOException | InterruptedException e) {
                // One side is gone, and the other is to see it.
            }
            CuttingProxy.close(client, server);
        }

        private void spring(Cut when, byte[] chunk, OutputStream out) throws IOException, InterruptedException {
            cut = when;
            switch (when) {
                case BEFORE -> CuttingProxy.close(client, server);
                case WITHIN -> {
                    out.write(chunk, 0, chunk.length / 2);
                    CuttingProxy.close(client, server);
                }
                case AFTER, STALLED -> {
                    out.write(chunk);
                    answered.await();
                    if (when == Cut.AFTER) {
                        CuttingProxy.close(client, server);
                    }
                }
                case LATE -> {
                    CuttingProxy.close(client);
                    landing.await();
                    out.write(chunk);
                    answered.await();
                    CuttingProxy.close(server);
                    landed.countDown();
                }
            }
        }

        void toClient() {
            byte[] buffer = new byte[65_536];
            try {
                InputStream in = server.getInputStream();
                OutputStream out = client.getOutputStream();
                for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
                    if (cut == null) {
                        out.write(buffer, 0, n);
                    } else {
                        answered.countDown();
                    }
                }
            } catch (IOException e) {
                // One side is gone, and the other is to see it.
            }
            if (cut == null) {
                CuttingProxy.close(client, server);
            }
            answered.countDown();
        }
    }

    private static String text(byte[] chunk) {
        return new String(chunk, StandardCharsets.ISO_8859_1).toLowerCase(Locale.ROOT);
    }

    private static void daemon(Runnable work) {
        Thread thread = new Thread(work, "cutting-proxy");
        thread.setDaemon(true);
        thread.start();
    }

    private static void close(Socket... sockets) {
        for (Socket socket : sockets) {
            try {
                socket.close();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    @Override
    public void close() throws IOException {
        listener.close();
        open.forEach(CuttingProxy::close);
    }
}
