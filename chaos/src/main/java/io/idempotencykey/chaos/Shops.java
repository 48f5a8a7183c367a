package io.idempotencykey.chaos;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** The payment provider and the shops, each a process that is started again whenever it has ended. */
final class Shops implements AutoCloseable {
    static final int COUNT = 3;
    static final long LEASE_MILLIS = 1_000;

    private static final int CONNECTIONS = 20;
    /** The last shop's, which so knows an empty pool. */
    private static final int FEW_CONNECTIONS = 2;

    private static final String PROGRAM = "io.idempotencykey.checkout.program.Main";

    private final Processes processes;
    private final Path folder;
    private final List<Shop> shops = new ArrayList<>();
    private volatile boolean closing;

    /** Starts them on a store, which they reach by a port; returns when all of them serve. */
    Shops(Processes processes, Path folder, Store store, int port) throws IOException, InterruptedException {
        this.processes = processes;
        this.folder = folder;
        Processes.Child provider = processes.start(
                folder.resolve("payments.log"),
                Processes.java(PROGRAM, "payments", "--port", "0", "--data", folder.toString()));
        String payments = urlOf(provider.firstLine());
        List<String> java = java(folder, "-XX:SharedArchiveFile=" + archive());
        for (int i = 0; i < COUNT; i++) {
            List<String> command = new ArrayList<>(java);
            command.addAll(List.of("--lease", LEASE_MILLIS + "ms", "--attempts", "1000000", "--payments", payments));
            command.addAll(store.options(port, i == COUNT - 1 ? FEW_CONNECTIONS : CONNECTIONS));
            shops.add(new Shop(i + 1, command));
        }
        for (Shop shop : shops) {
            shop.thread.start();
        }
        awaitAll();
    }

    /** The beginning of a shop's command. Its JVM has its classes from an archive, and so starts in half the time. */
    private static List<String> java(Path folder, String archive) {
        List<String> shop = Processes.java(
                "-Xlog:disable",
                "-Djava.io.tmpdir=" + folder,
                "-Dhikaricp.configurationFile=" + folder.resolve("pool.properties"));
        shop.addAll(List.of(archive, PROGRAM, "serve", "--port", "0"));
        return shop;
    }

    private static Path archive() throws IOException {
        return Processes.program().resolveSibling("shop.jsa");
    }

    /** Makes what all shops share: the settings of their pools, and the archive unless there is one of these classes. */
    static void prepare(Processes processes) throws IOException, InterruptedException {
        Path archive = archive();
        Path folder = processes.folder();
        Files.writeString(folder.resolve("pool.properties"), "connectionTimeout=1000\n");
        if (Files.exists(archive)
                && Files.getLastModifiedTime(archive).compareTo(Files.getLastModifiedTime(Processes.program())) > 0) {
            return;
        }
        Files.deleteIfExists(archive);
        List<String> training = java(folder, "-XX:ArchiveClassesAtExit=" + archive);
        training.addAll(List.of("--data", folder.resolve("training").toString()));
        Processes.Child shop = processes.start(folder.resolve("training.log"), training);
        String unused = shop.firstLine();
        shop.signal("TERM");
        shop.awaitEnd();
    }

    private static String urlOf(String line) {
        return line.substring("listening on ".length());
    }

    /** A shop that runs, stands still, or is being started. */
    final class Shop {
        private final int number;
        private final List<String> command;
        private final Thread thread = new Thread(this::run, "shop");
        private volatile Processes.@Nullable Child process;
        private volatile @Nullable URI url;

        Shop(int number, List<String> command) {
            this.number = number;
            this.command = command;
            thread.setDaemon(true);
        }

        private void run() {
            while (!closing) {
                try {
                    Processes.Child started = processes.start(folder.resolve("shop-" + number + ".log"), command);
                    process = started;
                    try {
                        url = URI.create(urlOf(started.firstLine()));
                    } catch (IOException e) {
                        // Its store is away; the next one tries again.
                        started.kill();
                    }
                    started.awaitAnyEnd();
                } catch (IOException e) {
                    System.err.println("chaos: shop " + number + " can't be started: " + e.getMessage());
                } catch (InterruptedException e) {
                    return;
                } finally {
                    url = null;
                }
            }
        }

        Optional<URI> url() {
            return Optional.ofNullable(url);
        }

        @Override
        public String toString() {
            return "shop " + number;
        }

        /** Kills it; it is started again. Returns whether there was something to kill. */
        boolean kill() throws IOException, InterruptedException {
            Processes.Child killed = process;
            boolean served = url != null;
            if (killed != null) {
                killed.kill();
            }
            return served;
        }

        /** Lets it stand still; returns whether there was something to stop. */
        boolean pause(long millis) throws IOException, InterruptedException {
            Processes.Child paused = process;
            if (paused == null || url == null) {
                return false;
            }
            paused.signal("STOP");
            try {
                Thread.sleep(millis);
            } finally {
                paused.signal("CONT");
            }
            return true;
        }
    }

    /** One that serves, if there is one before long. */
    Shop serving(Random random) throws InterruptedException {
        List<Shop> serving = serving();
        for (int i = 0; i < 100 && serving.isEmpty(); i++) {
            Thread.sleep(50);
            serving = serving();
        }
        return serving.isEmpty() ? any(random) : serving.get(random.nextInt(serving.size()));
    }

    /** Two that serve, if there are two. */
    List<Shop> two(Random random) {
        List<Shop> two = serving();
        Collections.shuffle(two, random);
        return two.subList(0, Math.min(2, two.size()));
    }

    private List<Shop> serving() {
        return new ArrayList<>(shops.stream().filter(shop -> shop.url != null).toList());
    }

    Shop any(Random random) {
        return shops.get(random.nextInt(shops.size()));
    }

    /** Waits until all of them serve. */
    void awaitAll() throws IOException, InterruptedException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(90);
        while (shops.stream().anyMatch(shop -> shop.url == null)) {
            if (System.nanoTime() > end) {
                throw new IOException("a shop doesn't serve; see " + folder);
            }
            Thread.sleep(50);
        }
    }

    @Override
    public void close() {
        closing = true;
        for (Shop shop : shops) {
            shop.thread.interrupt();
        }
    }
}
