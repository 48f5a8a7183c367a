package io.idempotencykey.chaos;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Pattern;

/** Stands between clients and a server on this machine, and spoils their connections. */
final class FaultProxy implements AutoCloseable {
    /** A commit in PostgreSQL's, MySQL's and MongoDB's protocols; {@code read committed} is none. */
    private static final Pattern COMMIT = Pattern.compile("commit(?!ted)", Pattern.CASE_INSENSITIVE);

    /** How long a connection that swallows everything stays open, for whoever hasn't given it up by then. */
    private static final int SWALLOWING_SECONDS = 15;

    private final ServerSocket listener;
    private final Set<Link> links = ConcurrentHashMap.newKeySet();
    private final ScheduledExecutorService later = Executors.newScheduledThreadPool(2, FaultProxy::daemon);
    private final AtomicInteger toLose = new AtomicInteger();
    private final AtomicInteger toDelay = new AtomicInteger();
    private final AtomicInteger lost = new AtomicInteger();
    private final AtomicInteger late = new AtomicInteger();
    private final AtomicInteger slowed = new AtomicInteger();
    private volatile int target;
    private volatile int mostMillis;

    FaultProxy(int target) throws IOException {
        this.target = target;
        listener = new ServerSocket(0, 200, InetAddress.getLoopbackAddress());
        daemon(this::accept).start();
    }

    int port() {
        return listener.getLocalPort();
    }

    /** Leads new connections to another server, and ends those that there are. */
    void lead(int port) {
        target = port;
        links.forEach(Link::close);
    }

    /** Cuts about half of the connections. */
    int cutHalf(Random random) {
        List<Link> chosen = half(random);
        chosen.forEach(Link::close);
        return chosen.size();
    }

    /** From now on, about half of the connections lead nowhere, and neither side is told. */
    int swallowHalf(Random random) {
        List<Link> chosen = half(random);
        chosen.forEach(Link::swallow);
        return chosen.size();
    }

    /** All connections lead nowhere, and neither side is told. */
    void swallowAll() {
        links.forEach(Link::swallow);
    }

    private List<Link> half(Random random) {
        List<Link> chosen = new ArrayList<>();
        for (Link link : links) {
            if (!link.swallowing && random.nextBoolean()) {
                chosen.add(link);
            }
        }
        return chosen;
    }

    /** The answers to the next commits are lost. */
    void loseNext(int commits) {
        toLose.set(commits);
    }

    /** How many answers to commits were lost. */
    int lost() {
        return lost.get();
    }

    /** The next commits arrive when their connections have been cut. */
    void delayNext(int commits) {
        toDelay.set(commits);
    }

    /** How many commits the server has answered that arrived when their connections had been cut. */
    int late() {
        return late.get();
    }

    /** Slows each packet down by up to so many milliseconds, for a while; returns how many packets were. */
    int slowDown(int most, long millis) throws InterruptedException {
        int before = slowed.get();
        mostMillis = most;
        Thread.sleep(millis);
        mostMillis = 0;
        return slowed.get() - before;
    }

    private void accept() {
        while (!listener.isClosed()) {
            try {
                Socket client = listener.accept();
                try {
                    Link link = new Link(client, new Socket(InetAddress.getLoopbackAddress(), target));
                    links.add(link);
                    daemon(link::toServer).start();
                    daemon(link::toClient).start();
                } catch (IOException e) {
                    // The server is away.
                    client.close();
                }
            } catch (IOException e) {
                // The proxy is closed.
            }
        }
    }

    private final class Link {
        private final Socket client;
        private final Socket server;
        /** Taken at once, since a client that has been cut off gives none. */
        private final OutputStream clientOut;

        private volatile boolean swallowing;
        private volatile boolean answerLost;
        private volatile boolean clientGone;

        Link(Socket client, Socket server) throws IOException {
            this.client = client;
            this.server = server;
            client.setTcpNoDelay(true);
            server.setTcpNoDelay(true);
            clientOut = client.getOutputStream();
        }

        void swallow() {
            swallowing = true;
            closeIn(SWALLOWING_SECONDS, TimeUnit.SECONDS);
        }

        void toServer() {
            byte[] buffer = new byte[65_536];
            try {
                InputStream in = client.getInputStream();
                OutputStream out = server.getOutputStream();
                for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
                    slow();
                    if (swallowing) {
                        continue;
                    }
                    if (toLose.get() > 0 && isCommit(buffer, n) && take(toLose)) {
                        answerLost = true;
                    } else if (toDelay.get() > 0 && isCommit(buffer, n) && take(toDelay)) {
                        clientGone = true;
                        close(client);
                        Thread.sleep(ThreadLocalRandom.current().nextInt(50, 2_000));
                        out.write(buffer, 0, n);
                        closeIn(10, TimeUnit.SECONDS);
                        return;
                    }
                    out.write(buffer, 0, n);
                }
            } catch (IOException e) {
                // One side is gone, and the other is to see it.
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            end();
        }

        void toClient() {
            byte[] buffer = new byte[65_536];
            try {
                InputStream in = server.getInputStream();
                for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
                    slow();
                    if (clientGone) {
                        // The late commit has been answered.
                        late.incrementAndGet();
                        close();
                        return;
                    }
                    if (answerLost) {
                        lost.incrementAndGet();
                        close();
                        return;
                    }
                    if (!swallowing) {
                        clientOut.write(buffer, 0, n);
                    }
                }
            } catch (IOException e) {
                // One side is gone, and the other is to see it.
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            end();
        }

        /** One side is gone. Where the connection leads nowhere, the other side isn't told before its time. */
        private void end() {
            if (!swallowing && !clientGone) {
                close();
            }
        }

        private void slow() throws InterruptedException {
            int most = mostMillis;
            if (most > 0) {
                slowed.incrementAndGet();
                Thread.sleep(ThreadLocalRandom.current().nextInt(most));
            }
        }

        private void closeIn(long time, TimeUnit unit) {
            ScheduledFuture<?> unused = later.schedule(() -> close(), time, unit);
        }

        void close() {
            links.remove(this);
            close(client);
            close(server);
        }

        private static void close(Socket socket) {
            try {
                socket.close();
            } catch (IOException e) {
                // It is of no use any more, anyway.
            }
        }
    }

    private static boolean isCommit(byte[] bytes, int length) {
        return COMMIT.matcher(new String(bytes, 0, length, StandardCharsets.ISO_8859_1))
                .find();
    }

    private static boolean take(AtomicInteger left) {
        return left.getAndUpdate(n -> Math.max(0, n - 1)) > 0;
    }

    private static Thread daemon(Runnable work) {
        Thread thread = new Thread(work, "proxy");
        thread.setDaemon(true);
        return thread;
    }

    @Override
    public void close() {
        try {
            listener.close();
        } catch (IOException e) {
            // Nobody connects any more, anyway.
        }
        links.forEach(Link::close);
        later.shutdownNow();
    }
}
