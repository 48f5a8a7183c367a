package io.idempotencykey.service;

import io.idempotencykey.Isolation;
import io.idempotencykey.internal.Arguments;
import io.idempotencykey.port.KeyStore;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Settings of a service, each with a default; not safe for many threads.
 *
 * @param <T> the store's transaction handle
 */
public final class ServiceBuilder<T> {
    /** How long a lock holds if its owner disappears. */
    public static final Duration DEFAULT_LEASE = Duration.ofSeconds(30);

    /** How long a finished key can be replayed. */
    public static final Duration DEFAULT_TIME_TO_LIVE = Duration.ofHours(24);

    /** The longest body that is stored, in bytes. */
    public static final int DEFAULT_MAX_RESPONSE_BYTES = 1024 * 1024;

    /** The longest headers that are stored, all together: 6 KiB, which common servers have room to send. */
    public static final int DEFAULT_MAX_HEADER_BYTES = 6 * 1024;

    /** How many times a stage or a statement is tried while its failures are transient. */
    public static final int DEFAULT_MAX_TRIES = 20;

    /** The bound on the first wait between two tries. */
    public static final Duration DEFAULT_FIRST_PAUSE = Duration.ofMillis(5);

    /** The bound on any wait between two tries. */
    public static final Duration DEFAULT_LONGEST_PAUSE = Duration.ofMillis(500);

    /** How much memory the answers take that a service gives without asking the store: 16 MiB. */
    public static final int DEFAULT_REPLAY_CACHE_BYTES = 16 * 1024 * 1024;

    private final KeyStore<T> store;
    private Duration lease = DEFAULT_LEASE;
    private Duration timeToLive = DEFAULT_TIME_TO_LIVE;
    private int maxResponseBytes = DEFAULT_MAX_RESPONSE_BYTES;
    private int maxHeaderBytes = DEFAULT_MAX_HEADER_BYTES;
    private int maxTries = DEFAULT_MAX_TRIES;
    private Duration firstPause = DEFAULT_FIRST_PAUSE;
    private Duration longestPause = DEFAULT_LONGEST_PAUSE;
    private int replayCacheBytes = DEFAULT_REPLAY_CACHE_BYTES;
    private @Nullable Isolation isolation;
    private @Nullable Environment environment;
    private final List<KeyListener> listeners = new ArrayList<>();

    ServiceBuilder(KeyStore<T> store) {
        this.store = Arguments.required(store, "store");
    }

    /**
     * How long a lock holds if its owner disappears. Set it to longer than the longest stage takes. Default: {@link
     * #DEFAULT_LEASE}.
     *
     * @param lease 1 millisecond to 24 hours
     * @return this
     * @throws IllegalArgumentException if it is out of bounds
     */
    public ServiceBuilder<T> lease(Duration lease) {
        this.lease = Transitions.lease(lease);
        return this;
    }

    /**
     * How long a finished key can be replayed, and a failed one can be retried, before it counts as absent. Set it to
     * longer than clients go on retrying. Default: {@link #DEFAULT_TIME_TO_LIVE}.
     *
     * @param timeToLive 1 millisecond to 3,650 days
     * @return this
     * @throws IllegalArgumentException if it is out of bounds
     */
    public ServiceBuilder<T> timeToLive(Duration timeToLive) {
        this.timeToLive = Arguments.between(Duration.ofMillis(1), Duration.ofDays(3650), timeToLive, "timeToLive");
        return this;
    }

    /**
     * The longest body that is stored. Default: {@link #DEFAULT_MAX_RESPONSE_BYTES}.
     *
     * @param maxResponseBytes 0 to 8,388,608
     * @return this
     * @throws IllegalArgumentException if it is out of bounds
     */
    public ServiceBuilder<T> maxResponseBytes(int maxResponseBytes) {
        this.maxResponseBytes = Arguments.between(0, 8 * 1024 * 1024, maxResponseBytes, "maxResponseBytes");
        return this;
    }

    /**
     * The longest headers that are stored, all together: for each value the name, the value and four more, as HTTP/1.1
     * writes them. Default: {@link #DEFAULT_MAX_HEADER_BYTES}.
     *
     * <p>What a server can't send must not be stored, because every replay would fail. Common servers have a buffer of
     * 8 KiB for the headers of a response (Tomcat, Jetty, and proxies before them), in which the status and what the
     * server and the application add to a replay have to find room, too. Raise the limit only together with theirs.
     *
     * @param maxHeaderBytes 0 to 327,680, which is as much as a {@link io.idempotencykey.Response} can hold
     * @return this
     * @throws IllegalArgumentException if it is out of bounds
     */
    public ServiceBuilder<T> maxHeaderBytes(int maxHeaderBytes) {
        this.maxHeaderBytes = Arguments.between(0, 327_680, maxHeaderBytes, "maxHeaderBytes");
        return this;
    }

    /**
     * The isolation of stages' transactions. Default: the strongest that the store has.
     *
     * @param isolation one that the store has
     * @return this
     * @throws IllegalArgumentException if the store doesn't have it
     */
    public ServiceBuilder<T> isolation(Isolation isolation) {
        this.isolation = Engine.checkIsolation(store, isolation);
        return this;
    }

    /**
     * How many times a stage or a statement is tried while its failures are transient. Default: {@link
     * #DEFAULT_MAX_TRIES}.
     *
     * @param maxTries 1 to 1,000
     * @return this
     * @throws IllegalArgumentException if it is out of bounds
     */
    public ServiceBuilder<T> maxTries(int maxTries) {
        this.maxTries = Arguments.between(1, 1000, maxTries, "maxTries");
        return this;
    }

    /**
     * How long to wait between two tries: a random time below a bound that doubles from the first to the longest.
     * Default: {@link #DEFAULT_FIRST_PAUSE} and {@link #DEFAULT_LONGEST_PAUSE}.
     *
     * @param first 1 microsecond to 1 minute
     * @param longest the first to 1 minute
     * @return this
     * @throws IllegalArgumentException if one of them is out of bounds
     */
    public ServiceBuilder<T> pauses(Duration first, Duration longest) {
        Duration most = Duration.ofMinutes(1);
        Arguments.between(Duration.ofNanos(1000), most, first, "first");
        this.longestPause = Arguments.between(first, most, longest, "longest");
        this.firstPause = first;
        return this;
    }

    /**
     * How much memory the answers take that the service gives without asking the store. Default: {@link
     * #DEFAULT_REPLAY_CACHE_BYTES}.
     *
     * <p>{@code claim}, {@code run} and {@code once} give a response that this service has lately seen until a minute
     * before its key expires, and say of a key that one of the service's own threads is running that it is in flight.
     * Both are what the store would say, unless it has lost rows or somebody has changed them. Each is told as a {@link
     * KeyEvent.Recalled}.
     *
     * <p>With 0 every call asks the store. That is for tests that delete or change keys behind the service's back, or
     * that want to see the store.
     *
     * @param replayCacheBytes 0 to 1,073,741,824, as it is estimated; one answer takes at most a sixteenth of it
     * @return this
     * @throws IllegalArgumentException if it is out of bounds
     */
    public ServiceBuilder<T> replayCacheBytes(int replayCacheBytes) {
        this.replayCacheBytes = Arguments.between(0, 1024 * 1024 * 1024, replayCacheBytes, "replayCacheBytes");
        return this;
    }

    /**
     * The source of randomness, time and pauses. Default: {@link Environment#system()}.
     *
     * @param environment such as a simulator's
     * @return this
     */
    public ServiceBuilder<T> environment(Environment environment) {
        this.environment = Arguments.required(environment, "environment");
        return this;
    }

    /**
     * Adds a listener. Default: none; the library logs its events to the {@link System.Logger} {@code
     * io.idempotencykey} anyway.
     *
     * @param listener is told what happens to keys
     * @return this
     */
    public ServiceBuilder<T> listener(KeyListener listener) {
        listeners.add(Arguments.required(listener, "listener"));
        return this;
    }

    /**
     * Makes the service.
     *
     * @return the service; nothing has been read or written yet
     */
    public IdempotencyKeyService<T> build() {
        return new IdempotencyKeyService<>(store, settings());
    }

    Settings settings() {
        return new Settings(
                lease,
                timeToLive,
                maxResponseBytes,
                maxHeaderBytes,
                isolation == null ? Collections.max(store.isolations()) : isolation,
                maxTries,
                firstPause,
                longestPause,
                replayCacheBytes,
                environment == null ? Environment.system() : environment,
                new Events(List.copyOf(listeners)));
    }
}
