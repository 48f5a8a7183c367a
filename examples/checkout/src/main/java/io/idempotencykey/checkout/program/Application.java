package io.idempotencykey.checkout.program;

import io.idempotencykey.checkout.CheckoutRoute;
import io.idempotencykey.checkout.ReviewRoute;
import io.idempotencykey.checkout.http.WebServer;
import io.idempotencykey.checkout.http.WebServer.Route;
import io.idempotencykey.console.KeyHistory;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** The running shop: a store, the server, and an embedded payment provider unless the options name another one. */
final class Application implements AutoCloseable {
    static final Set<String> OPTIONS = Set.of(
            "port",
            "console",
            "store",
            "url",
            "data",
            "payments",
            "lease",
            "ttl",
            "stage-delay",
            "attempts",
            "fail-at",
            "connections");

    /** Time between two searches for abandoned requests, and between two for expired keys. */
    private static final Duration EVERY = Duration.ofSeconds(1);

    /** A request counts as abandoned if nobody has held its key for so long. */
    private static final Duration ABANDONED_AFTER = Duration.ofMillis(500);

    /** Number of requests completed at once, which use half of a {@link Database}'s connections. */
    private static final int COMPLETING = 10;

    /** How many events of each kind the console remembers. */
    private static final int REMEMBERED = 10_000;

    private final Deque<Runnable> closing = new ArrayDeque<>();
    private final Deque<Runnable> closingBackground = new ArrayDeque<>();
    private Runnable background = () -> {};
    private Optional<ConsoleServer> console = Optional.empty();
    private final WebServer server;

    /**
     * Starts the shop.
     *
     * @throws Options.Refused if an option has an illegal value
     * @throws IOException if a port or a file can't be used
     */
    Application(Options options, StageHook hook) throws IOException {
        try {
            server = start(options, hook);
        } catch (IOException | RuntimeException e) {
            close();
            throw e;
        }
    }

    private WebServer start(Options options, StageHook hook) throws IOException {
        int port = options.port(8080);
        Optional<Integer> consolePort = options.value("console").map(text -> options.number("console", 0, 0, 65_535));
        Duration lease = options.duration("lease", "30s");
        Duration timeToLive = options.duration("ttl", "24h");
        StageHook delay = StageHook.delay(options.text("stage-delay", "0ms"));
        StageHook failure = StageHook.failAt(options.text("fail-at", "started:0"));
        int attempts = options.number("attempts", Operation.DEFAULT_MAX_ATTEMPTS, 1, 1_000_000);
        Optional<URI> provider = options.url("payments");
        DataDirectory data = DataDirectory.of(options);
        closing.push(data::close);
        Store<?> store = Store.open(options, data.path());
        closing.push(store::close);
        return start(
                port,
                consolePort,
                store,
                lease,
                timeToLive,
                attempts,
                new HttpPayments(
                        provider.isPresent() ? provider.get() : embeddedProvider(data.path()), HttpPayments.PATIENCE),
                (point, key) -> {
                    delay.at(point, key);
                    failure.at(point, key);
                    hook.at(point, key);
                });
    }

    private <T> WebServer start(
            int port,
            Optional<Integer> consolePort,
            Store<T> store,
            Duration lease,
            Duration timeToLive,
            int attempts,
            HttpPayments payments,
            StageHook hook)
            throws IOException {
        IdempotencyKeyService<T> keys;
        KeyHistory history = new KeyHistory(REMEMBERED);
        try {
            keys = IdempotencyKeyService.builder(store.keys())
                    .lease(lease)
                    .timeToLive(timeToLive)
                    .listener(HookedReviews.afterCommit(hook))
                    .listener(history)
                    .build();
        } catch (IllegalArgumentException e) {
            throw new Options.Refused(String.valueOf(e.getMessage()));
        }
        Operation<T> completeCart = new HookedCheckout<>(store.shop(), payments, hook).operation(keys, attempts);
        List<Route> routes = new ArrayList<>(new Inspection<>(keys, store.shop(), payments).routes());
        routes.add(new CheckoutRoute<>(keys, completeCart).route());
        routes.add(new ReviewRoute<>(keys, new HookedReviews<>(store.shop(), hook).operation(keys)).route());
        WebServer started = new WebServer(port, routes);
        closing.push(() -> close(closingBackground));
        closing.push(started::close);
        background = () -> completeAndReap(keys, completeCart);
        if (consolePort.isPresent()) {
            ConsoleServer served = new ConsoleServer(consolePort.get(), keys, history);
            closing.push(served::close);
            console = Optional.of(served);
        }
        return started;
    }

    /** Completes requests whose client or server is gone, and removes expired keys. */
    void runInBackground() {
        background.run();
    }

    private <T> void completeAndReap(IdempotencyKeyService<T> keys, Operation<T> operation) {
        closingBackground.push(keys.background(operation)
                .abandonedAfter(ABANDONED_AFTER)
                .completeEvery(EVERY)
                .reapEvery(EVERY)
                .completers(COMPLETING)
                .start()::close);
    }

    private URI embeddedProvider(Path data) throws IOException {
        PaymentServer provider = new PaymentServer(0, data);
        closing.push(provider::close);
        return provider.url();
    }

    URI url() {
        return server.url();
    }

    Optional<ConsoleServer> console() {
        return console;
    }

    void join() throws InterruptedException {
        server.join();
    }

    /** Refuses new requests, waits for those that run, and closes everything else in the opposite order. */
    @Override
    public void close() {
        close(closing);
    }

    private static void close(Deque<Runnable> closing) {
        while (!closing.isEmpty()) {
            closing.pop().run();
        }
    }
}
