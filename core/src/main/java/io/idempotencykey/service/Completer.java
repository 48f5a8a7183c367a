package io.idempotencykey.service;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.KeyId;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.internal.Arguments;
import io.idempotencykey.port.StoredKey;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.random.RandomGenerator;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Finishes requests whose client never came back.
 *
 * <p>Finds unfinished keys of the operations it knows, at recovery points it knows, that nobody has held for longer
 * than a threshold; takes each by the ordinary lock; and runs it on with the stored request. So any number of
 * instances, of different versions of the application, may run side by side. Scopes are served in turn. A request that
 * fails here is left alone for a growing time, as its operation says, and quarantined after too many failures. A
 * request that has committed no stage, and whose client was told of an exception, is that client's alone (see {@link
 * Operation.Builder#completeAfterFailure}).
 *
 * <p>Also quarantines keys that nobody can bring to an end: those whose stored request can't be read, and those whose
 * operation or recovery point has stayed unknown for long. A request whose parameters were redacted is left to its
 * client, unless its operation says that it can do without ({@link Operation.Builder#resumableWithoutParameters}).
 *
 * @param <T> the store's transaction handle
 */
public final class Completer<T> {
    /** How long a key must have been held by nobody before it is taken. */
    public static final Duration DEFAULT_ABANDONED_AFTER = Duration.ofMinutes(1);

    /** How long an operation or a recovery point must have been unknown before its keys are quarantined. */
    public static final Duration DEFAULT_UNKNOWN_AFTER = Duration.ofDays(1);

    /** How many requests one run takes at most. */
    public static final int DEFAULT_BATCH_SIZE = 100;

    /** Each turn picks at random among more keys than it takes, so that instances rarely reach for the same one. */
    private static final int LEAST_CANDIDATES = 64;

    private final Engine<T> engine;
    private final Runner<T> runner;
    private final Map<String, Operation<T>> operations;
    private final Map<String, Set<RecoveryPoint>> resumable;
    private final Duration abandonedAfter;
    private final Duration unknownAfter;
    private final int batchSize;
    private final Executor executor;
    private final boolean executorMayDrop;
    private final AtomicReference<@Nullable String> lastScope = new AtomicReference<>();
    private final AtomicReference<@Nullable String> lastUnknownScope = new AtomicReference<>();
    private volatile boolean stopped;

    private Completer(Builder<T> builder) {
        this.engine = builder.engine;
        this.runner = new Runner<>(engine);
        this.operations = Map.copyOf(builder.operations);
        this.resumable = operations.values().stream()
                .filter(Completer::isResumable)
                .collect(Collectors.toUnmodifiableMap(Operation::name, Operation::recoveryPoints));
        this.abandonedAfter = builder.abandonedAfter;
        this.unknownAfter = builder.unknownAfter;
        this.batchSize = builder.batchSize;
        this.executor = builder.executor;
        this.executorMayDrop = builder.executorMayDrop;
    }

    /**
     * Begins a completer.
     *
     * @param <T> the store's transaction handle
     * @param service whose keys are completed
     * @return the builder
     */
    public static <T> Builder<T> builder(IdempotencyKeyService<T> service) {
        return new Builder<>(service);
    }

    /**
     * The operations whose requests are completed here: those that were given, less those that redact parameters and
     * can't do without, and less those whose requests run in one transaction, which leave nothing to complete. (What a
     * former version of the application has left of those is completed all the same.)
     *
     * @return their names
     */
    public Set<String> completedOperations() {
        return resumable.keySet().stream()
                .filter(name -> !singleOperations().contains(name))
                .collect(Collectors.toUnmodifiableSet());
    }

    /** The names of the operations whose requests run in one transaction, which are never completed. */
    Set<String> singleOperations() {
        return operations.values().stream()
                .filter(Operation::isSingle)
                .map(Operation::name)
                .collect(Collectors.toUnmodifiableSet());
    }

    /**
     * Takes up to a batch of abandoned requests and brings them to their end, as far as they get; then looks for keys
     * that nobody knows.
     *
     * <p>Blocks until all of them are through, or until this thread is interrupted (which it then still is): no further
     * key is then taken, also by the executor. This thread completes what the {@linkplain Builder#executor executor}
     * hasn't begun when no other request of this run is under way, so the run ends whatever the executor drops. What a
     * stage throws, and what keeps a key from being taken over, is told to the listeners only.
     *
     * @return how many requests were finished
     * @throws IdempotencyException.StoreUnavailable if the store could not be read
     */
    public int runOnce() {
        Instant now = engine.clock().now();
        AtomicInteger finished = new AtomicInteger();
        HandedOut handedOut = new HandedOut(executor, executorMayDrop);
        try {
            if (!resumable.isEmpty()) {
                inTurns(
                        resumable,
                        lastScope,
                        now.minus(abandonedAfter),
                        turn -> turn.forEach(found -> handedOut.add(completion(found, finished))));
            }
            inTurns(Map.of(), lastUnknownScope, now.minus(unknownAfter), turn -> turn.forEach(this::quarantineUnknown));
        } finally {
            handedOut.await();
        }
        return finished.get();
    }

    /** Takes no further key, in this run and in any other. */
    void stop() {
        stopped = true;
    }

    private boolean isStopping() {
        return stopped || Thread.currentThread().isInterrupted();
    }

    boolean hasOperations() {
        return !operations.isEmpty();
    }

    private int share() {
        return Math.max(1, batchSize / 4);
    }

    /**
     * Hands out up to a batch of keys, each once, some of each scope in turn, until no scope has another one. What is
     * handed out may still be under way when the next turn begins: a slow scope holds nobody up.
     */
    private void inTurns(
            Map<String, Set<RecoveryPoint>> operations,
            AtomicReference<@Nullable String> lastScope,
            Instant before,
            Consumer<List<StoredKey>> work) {
        Set<KeyId> handedOut = new HashSet<>();
        Set<String> withoutMore = new HashSet<>();
        while (handedOut.size() < batchSize && !isStopping()) {
            int count = Math.min(batchSize - handedOut.size(), share());
            List<StoredKey> found =
                    nextScope(operations, lastScope, before, Math.max(LEAST_CANDIDATES, 4 * count) + handedOut.size());
            if (found.isEmpty()) {
                return;
            }
            String scope = found.get(0).id().scope();
            List<StoredKey> turn = someOf(found, handedOut, count);
            if (!turn.isEmpty()) {
                withoutMore.clear();
                turn.forEach(key -> handedOut.add(key.id()));
                work.accept(turn);
            } else if (!withoutMore.add(scope)) {
                return;
            }
        }
    }

    /** The longest waiting keys of the next scope in turn that has any. */
    private List<StoredKey> nextScope(
            Map<String, Set<RecoveryPoint>> operations,
            AtomicReference<@Nullable String> lastScope,
            Instant before,
            int candidates) {
        String after = lastScope.get();
        List<StoredKey> found = engine.findResumable(operations, after, before, candidates);
        if (found.isEmpty() && after != null) {
            found = engine.findResumable(operations, null, before, candidates);
        }
        lastScope.set(found.isEmpty() ? null : found.get(0).id().scope());
        return found;
    }

    /** Some of the keys, picked at random so that instances rarely reach for the same one. */
    private List<StoredKey> someOf(List<StoredKey> found, Set<KeyId> handedOut, int count) {
        List<StoredKey> shuffled = new ArrayList<>(found);
        shuffled.removeIf(key -> handedOut.contains(key.id()));
        RandomGenerator random = engine.settings().environment().random();
        for (int i = shuffled.size() - 1; i > 0; i--) {
            Collections.swap(shuffled, i, random.nextInt(i + 1));
        }
        return shuffled.subList(0, Math.min(count, shuffled.size()));
    }

    private Runnable completion(StoredKey found, AtomicInteger finished) {
        Thread caller = Thread.currentThread();
        return () -> {
            // A completer that is being stopped takes no further key: its stage would be interrupted, and fail.
            if (!caller.isInterrupted() && !isStopping() && complete(found)) {
                finished.incrementAndGet();
            }
        };
    }

    private boolean complete(StoredKey found) {
        try {
            Operation<T> operation = operations.get(found.key().operation());
            if (operation == null || isUnreadable(found) || isLeftToItsClient(operation, found)) {
                return false;
            }
            Environment environment = engine.settings().environment();
            long begin = environment.nanoTime();
            DeclaredPlan<T> plan = engine.completionOf(operation);
            Optional<HeldKey> held = engine.takeAbandoned(plan, found);
            if (held.isEmpty()) {
                return false;
            }
            Execution end = runner.proceed(plan, held.get(), found.key().request());
            engine.events().emit(new KeyEvent.Completed(end.key(), Duration.ofNanos(environment.nanoTime() - begin)));
            return true;
        } catch (Throwable e) {
            // The key rests or waits for its lease, and others are to be served.
            engine.events().emit(new KeyEvent.CompletionFailed(found.key(), e));
            return false;
        }
    }

    private boolean isUnreadable(StoredKey found) {
        try {
            found.key().request().parameters();
            return false;
        } catch (IllegalStateException e) {
            engine.quarantine(found, "the stored request can't be read");
            return true;
        }
    }

    private boolean isLeftToItsClient(Operation<T> operation, StoredKey found) {
        if (found.key().request().isComplete() || operation.isResumableWithoutParameters()) {
            return false;
        }
        engine.postpone(found, engine.clock().now().plus(unknownAfter));
        return true;
    }

    private void quarantineUnknown(StoredKey found) {
        try {
            quarantineIfUnknown(found);
        } catch (RuntimeException e) {
            engine.events().emit(new KeyEvent.CompletionFailed(found.key(), e));
        }
    }

    private void quarantineIfUnknown(StoredKey found) {
        Operation<T> operation = operations.get(found.key().operation());
        if (operation == null) {
            engine.quarantine(
                    found, "nobody has known the operation '" + found.key().operation() + "'");
        } else if (!operation.recoveryPoints().contains(found.key().recoveryPoint())) {
            engine.quarantine(
                    found, "nobody has known the recovery point '" + found.key().recoveryPoint() + "'");
        } else if (!isUnreadable(found)) {
            isLeftToItsClient(operation, found);
        }
    }

    private static boolean isResumable(Operation<?> operation) {
        return !operation.isRedacting() || operation.isResumableWithoutParameters();
    }

    /**
     * Settings of a completer, each with a default; not safe for many threads.
     *
     * @param <T> the store's transaction handle
     */
    public static final class Builder<T> {
        private final Engine<T> engine;
        private final Map<String, Operation<T>> operations = new HashMap<>();
        private Duration abandonedAfter = DEFAULT_ABANDONED_AFTER;
        private Duration unknownAfter = DEFAULT_UNKNOWN_AFTER;
        private int batchSize = DEFAULT_BATCH_SIZE;
        private Executor executor = Runnable::run;
        private boolean executorMayDrop = true;

        private Builder(IdempotencyKeyService<T> service) {
            this.engine = Arguments.required(service, "service").engine();
        }

        /**
         * Registers an operation.
         *
         * @param operation whose requests are to be completed
         * @return this
         * @throws IllegalArgumentException if one of this name is registered, or a stage asks for an isolation that the
         *     store doesn't have
         */
        public Builder<T> operation(Operation<T> operation) {
            engine.checked(operation);
            if (operations.putIfAbsent(operation.name(), operation) != null) {
                throw Arguments.refused("operation", operation, "one operation of each name");
            }
            return this;
        }

        /**
         * How long a key must have been held by nobody, and its rest after a failure be over, before it is taken.
         * Default: {@link #DEFAULT_ABANDONED_AFTER}.
         *
         * @param abandonedAfter 0 to 365 days
         * @return this
         * @throws IllegalArgumentException if it is out of bounds
         */
        public Builder<T> abandonedAfter(Duration abandonedAfter) {
            this.abandonedAfter =
                    Arguments.between(Duration.ZERO, Duration.ofDays(365), abandonedAfter, "abandonedAfter");
            return this;
        }

        /**
         * How long a key of an unknown operation or recovery point, or without an operation, waits for a version of the
         * application that knows it, before it is quarantined. Default: {@link #DEFAULT_UNKNOWN_AFTER}.
         *
         * @param unknownAfter 1 second to 365 days
         * @return this
         * @throws IllegalArgumentException if it is out of bounds
         */
        public Builder<T> unknownAfter(Duration unknownAfter) {
            this.unknownAfter =
                    Arguments.between(Duration.ofSeconds(1), Duration.ofDays(365), unknownAfter, "unknownAfter");
            return this;
        }

        /**
         * How many requests one run takes at most. Default: {@link #DEFAULT_BATCH_SIZE}.
         *
         * @param batchSize 1 to 10,000
         * @return this
         * @throws IllegalArgumentException if it is out of bounds
         */
        public Builder<T> batchSize(int batchSize) {
            this.batchSize = Arguments.between(1, 10_000, batchSize, "batchSize");
            return this;
        }

        /**
         * What runs the requests, as many at once as it has threads. Default: the calling thread, one after the other.
         *
         * @param executor runs each request, or refuses it, which leaves the request for a later run. It may drop
         *     requests in silence, as a pool does that is shut down: the thread that called {@link #runOnce} completes
         *     them, one after the other, and may begin before the executor does where none is under way. So one request
         *     more than the executor has threads may run at once
         * @return this
         */
        public Builder<T> executor(Executor executor) {
            this.executor = Arguments.required(executor, "executor");
            this.executorMayDrop = true;
            return this;
        }

        /** The same for one that begins all that it takes, or is given up together with those who wait for it. */
        Builder<T> ownExecutor(Executor executor) {
            this.executor = executor;
            this.executorMayDrop = false;
            return this;
        }

        /**
         * Makes the completer.
         *
         * @return the completer; nothing has been read or written yet
         */
        public Completer<T> build() {
            return new Completer<>(this);
        }
    }
}
