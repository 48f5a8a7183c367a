package io.idempotencykey.service;

import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.Isolation;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.internal.Arguments;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * A request's stages, declared once, which an {@link OperationRunner} runs, replays and resumes.
 *
 * <p>Immutable and safe for many threads, as far as the stages' own code is.
 *
 * @param <T> the store's transaction handle
 */
public final class Operation<T> {
    /** After how many failed attempts since the last committed stage a key is quarantined. */
    public static final int DEFAULT_MAX_ATTEMPTS = 100;

    /** The most stages that an operation may have. */
    public static final int MAX_STAGES = 1_000;

    /** How long the completer waits after a first failed attempt. */
    public static final Duration DEFAULT_FIRST_BACKOFF = Duration.ofSeconds(1);

    /** How long the completer waits at most after a failed attempt. */
    public static final Duration DEFAULT_LONGEST_BACKOFF = Duration.ofMinutes(15);

    private final String name;
    private final Map<RecoveryPoint, StageDefinition<T>> stages;
    private final int maxAttempts;
    private final Duration firstBackoff;
    private final Duration longestBackoff;
    private final @Nullable UnaryOperator<Map<String, @Nullable Object>> redaction;
    private final boolean resumableWithoutParameters;

    private Operation(Builder<T> builder, Map<RecoveryPoint, StageDefinition<T>> stages) {
        this.name = builder.name;
        this.stages = stages;
        this.maxAttempts = builder.maxAttempts;
        this.firstBackoff = builder.firstBackoff;
        this.longestBackoff = builder.longestBackoff;
        this.redaction = builder.redaction;
        this.resumableWithoutParameters = builder.resumableWithoutParameters;
    }

    /**
     * Begins a declaration.
     *
     * @param <T> the store's transaction handle
     * @param name stored with every key and part of its fingerprint, so never to be changed while keys are unfinished: 1
     *     to 100 ASCII letters, digits, {@code '.'}, {@code '_'} and {@code '-'}
     * @return the builder
     * @throws IllegalArgumentException if the name has an illegal character or length
     */
    public static <T> Builder<T> named(String name) {
        return new Builder<>(Arguments.name(name, "name"));
    }

    /**
     * The operation's name.
     *
     * @return as it is stored with every key
     */
    public String name() {
        return name;
    }

    /**
     * The recovery points at which a stage begins.
     *
     * @return in the order of declaration, {@code finished} not among them
     */
    public Set<RecoveryPoint> recoveryPoints() {
        return Collections.unmodifiableSet(stages.keySet());
    }

    /**
     * Whether the completer resumes a request whose stored parameters aren't what the client sent.
     *
     * @return what the builder was told
     */
    public boolean isResumableWithoutParameters() {
        return resumableWithoutParameters;
    }

    int maxAttempts() {
        return maxAttempts;
    }

    /** How long a request rests after so many failed attempts: doubling, at least half of it, the rest at random. */
    Duration backoff(int failedAttempts, RandomGenerator random) {
        long bound = Math.min(longestBackoff.toMillis(), firstBackoff.toMillis() << Math.min(failedAttempts - 1, 20));
        return Duration.ofMillis(bound / 2 + random.nextLong(bound / 2 + 1));
    }

    /** What is to be stored of a request. */
    Request redact(Request request) {
        return redaction == null ? request : request.redacted(redaction.apply(request.parameters()));
    }

    boolean isRedacting() {
        return redaction != null;
    }

    Collection<StageDefinition<T>> stages() {
        return stages.values();
    }

    @Nullable
    StageDefinition<T> stage(RecoveryPoint recoveryPoint) {
        return stages.get(recoveryPoint);
    }

    /** Returns the name. */
    @Override
    public String toString() {
        return "Operation[" + name + "]";
    }

    /**
     * Declares an operation; not safe for many threads.
     *
     * @param <T> the store's transaction handle
     */
    public static final class Builder<T> {
        private final String name;
        private final Map<RecoveryPoint, Declaration<T>> declarations = new LinkedHashMap<>();
        private @Nullable Duration lease;
        private @Nullable Isolation isolation;
        private int maxAttempts = DEFAULT_MAX_ATTEMPTS;
        private Duration firstBackoff = DEFAULT_FIRST_BACKOFF;
        private Duration longestBackoff = DEFAULT_LONGEST_BACKOFF;
        private @Nullable UnaryOperator<Map<String, @Nullable Object>> redaction;
        private boolean resumableWithoutParameters;

        private Builder(String name) {
            this.name = name;
        }

        /**
         * How long the lock holds while a stage runs; default: the service's lease.
         *
         * @param lease 1 millisecond to 24 hours
         * @return this
         * @throws IllegalArgumentException if it is out of bounds
         */
        public Builder<T> lease(Duration lease) {
            this.lease = Transitions.lease(lease);
            return this;
        }

        /**
         * The isolation of the stages' transactions; default: the service's.
         *
         * @param isolation one that the store has
         * @return this
         */
        public Builder<T> isolation(Isolation isolation) {
            this.isolation = Arguments.required(isolation, "isolation");
            return this;
        }

        /**
         * After how many failed attempts since the last committed stage a key is quarantined. An attempt fails when a
         * stage or an outside call throws, or its retries are exhausted; a process that dies doesn't count. Default: {@link
         * #DEFAULT_MAX_ATTEMPTS}.
         *
         * @param maxAttempts 1 to 1,000,000
         * @return this
         * @throws IllegalArgumentException if it is out of bounds
         */
        public Builder<T> maxAttempts(int maxAttempts) {
            this.maxAttempts = Arguments.between(1, 1_000_000, maxAttempts, "maxAttempts");
            return this;
        }

        /**
         * How long the completer leaves a request alone after a failed attempt: doubling from the first to the longest, up
         * to half of it at random. A client may come back at any time. Default: {@link #DEFAULT_FIRST_BACKOFF} and {@link
         * #DEFAULT_LONGEST_BACKOFF}.
         *
         * @param first 1 millisecond to 24 hours
         * @param longest the first to 24 hours
         * @return this
         * @throws IllegalArgumentException if one of them is out of bounds
         */
        public Builder<T> backoff(Duration first, Duration longest) {
            Duration most = Duration.ofHours(24);
            Arguments.between(Duration.ofMillis(1), most, first, "first");
            this.longestBackoff = Arguments.between(first, most, longest, "longest");
            this.firstBackoff = first;
            return this;
        }

        /**
         * Stores other parameters than those that the client sent, such as masked ones or none ({@code parameters ->
         * Map.of()}). The fingerprint is taken before. Stages see what the client at hand sent; the completer has only what
         * is stored, and leaves such requests to their clients unless {@link #resumableWithoutParameters} is set. Default:
         * all parameters are stored.
         *
         * @param redaction from the normalized parameters to those that may be stored
         * @return this
         */
        public Builder<T> redact(UnaryOperator<Map<String, @Nullable Object>> redaction) {
            this.redaction = Arguments.required(redaction, "redaction");
            return this;
        }

        /**
         * Declares that the stages can do without the parameters that {@link #redact} left out, so that the completer may
         * resume such requests too. Default: it may not.
         *
         * @return this
         */
        public Builder<T> resumableWithoutParameters() {
            this.resumableWithoutParameters = true;
            return this;
        }

        /**
         * Declares the stage that begins at a recovery point.
         *
         * @param at where it begins
         * @param work what it does
         * @param options what it does otherwise than the other stages
         * @return this
         * @throws IllegalArgumentException if a stage begins there already, it is {@code finished}, or there are {@link
         *     Operation#MAX_STAGES} already
         */
        public Builder<T> stage(RecoveryPoint at, WorkStage<T> work, StageOption... options) {
            Arguments.required(work, "work");
            return declare(at, key -> work, options);
        }

        /**
         * Declares the stage that begins at a recovery point with a call to another system.
         *
         * @param <I> the outside call's result
         * @param at where it begins
         * @param outsideCall made before the transaction opens, once per attempt
         * @param work what it does with the call's result
         * @param options what it does otherwise than the other stages
         * @return this
         * @throws IllegalArgumentException if a stage begins there already, it is {@code finished}, or there are {@link
         *     Operation#MAX_STAGES} already
         */
        public <I extends @Nullable Object> Builder<T> stage(
                RecoveryPoint at, OutsideCall<I> outsideCall, WorkStage.WithInput<T, I> work, StageOption... options) {
            Arguments.required(outsideCall, "outsideCall");
            Arguments.required(work, "work");
            return declare(
                    at,
                    key -> {
                        I input = outsideCall.call(key);
                        return stage -> work.work(stage, input);
                    },
                    options);
        }

        private Builder<T> declare(
                RecoveryPoint at, Function<IdempotencyKey, WorkStage<T>> prepare, StageOption... options) {
            List<StageOption> chosen = Arguments.listed(options, "options");
            if (Arguments.required(at, "at").equals(RecoveryPoint.FINISHED)) {
                throw Arguments.refused("at", at, "any but 'finished', where nothing is left to do");
            }
            if (declarations.size() == MAX_STAGES) {
                // Graphs are walked, and stages run, one level deeper for each.
                throw Arguments.refused("at", at, "at most " + MAX_STAGES + " stages");
            }
            if (declarations.putIfAbsent(at, new Declaration<>(prepare, chosen)) != null) {
                throw Arguments.refused("at", at, "one stage per recovery point");
            }
            return this;
        }

        /**
         * Checks the graph and makes the operation.
         *
         * @return the operation
         * @throws IllegalStateException if there is no stage at {@code started}, a stage advances to a point that no stage
         *     begins at, a stage can't be reached, or some way leads in a circle
         */
        public Operation<T> build() {
            Map<RecoveryPoint, StageDefinition<T>> stages = new LinkedHashMap<>();
            List<RecoveryPoint> order = new ArrayList<>(declarations.keySet());
            for (int i = 0; i < order.size(); i++) {
                RecoveryPoint at = order.get(i);
                Set<RecoveryPoint> next = i + 1 < order.size() ? Set.of(order.get(i + 1)) : Set.of();
                Declaration<T> declaration = declarations.get(at);
                if (declaration != null) {
                    stages.put(at, declaration.define(lease, isolation, next));
                }
            }
            checkGraph(stages);
            return new Operation<>(this, stages);
        }

        private void checkGraph(Map<RecoveryPoint, StageDefinition<T>> stages) {
            if (!stages.containsKey(RecoveryPoint.STARTED)) {
                throw illegal("has no stage at '" + RecoveryPoint.STARTED + "', where every request begins");
            }
            stages.forEach((at, stage) -> stage.targets().forEach(target -> {
                if (!stages.containsKey(target)) {
                    throw illegal("advances from '" + at + "' to '" + target + "', where no stage begins");
                }
            }));
            Set<RecoveryPoint> reached = new LinkedHashSet<>();
            visit(RecoveryPoint.STARTED, stages, reached, new ArrayDeque<>());
            for (RecoveryPoint at : stages.keySet()) {
                if (!reached.contains(at)) {
                    throw illegal("has a stage at '" + at + "' that no way from 'started' leads to");
                }
            }
        }

        private void visit(
                RecoveryPoint at,
                Map<RecoveryPoint, StageDefinition<T>> stages,
                Set<RecoveryPoint> reached,
                Deque<RecoveryPoint> way) {
            if (way.contains(at)) {
                throw illegal("can go in a circle through '" + at + "'");
            }
            StageDefinition<T> stage = stages.get(at);
            if (reached.add(at) && stage != null) {
                way.push(at);
                stage.targets().forEach(target -> visit(target, stages, reached, way));
                way.pop();
            }
        }

        private IllegalStateException illegal(String what) {
            return new IllegalStateException("operation '" + name + "' " + what);
        }
    }

    private record Declaration<T>(Function<IdempotencyKey, WorkStage<T>> prepare, List<StageOption> options) {
        StageDefinition<T> define(
                @Nullable Duration operationLease, @Nullable Isolation operationIsolation, Set<RecoveryPoint> next) {
            Duration lease = operationLease;
            Isolation isolation = operationIsolation;
            Set<RecoveryPoint> targets = next;
            for (StageOption option : options) {
                lease = option.lease != null ? option.lease : lease;
                isolation = option.isolation != null ? option.isolation : isolation;
                targets = option.targets != null ? option.targets : targets;
            }
            return new StageDefinition<>(prepare, lease, isolation, targets);
        }
    }
}
