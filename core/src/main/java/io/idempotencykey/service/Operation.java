package io.idempotencykey.service;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.Isolation;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.internal.Arguments;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * A request's stages, declared once, which {@link IdempotencyKeyService#run} runs, replays and resumes. Made by {@link
 * IdempotencyKeyService#operation}.
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

    private final Engine<T> engine;
    private final String name;
    private final Map<RecoveryPoint, StageDefinition<T>> stages;
    private final int maxAttempts;
    private final Duration firstBackoff;
    private final Duration longestBackoff;
    private final @Nullable UnaryOperator<Map<String, @Nullable Object>> redaction;
    private final boolean resumableWithoutParameters;
    private final @Nullable Duration longestLease;
    private final boolean completesAfterFailure;
    private final boolean isSingle;
    private final List<Function<Throwable, Optional<Response>>> answers;

    private Operation(Builder<T> builder, Map<RecoveryPoint, StageDefinition<T>> stages) {
        this.engine = builder.engine;
        this.name = builder.name;
        this.stages = stages;
        this.maxAttempts = builder.maxAttempts;
        this.firstBackoff = builder.firstBackoff;
        this.longestBackoff = builder.longestBackoff;
        this.redaction = builder.redaction;
        this.resumableWithoutParameters = builder.resumableWithoutParameters;
        this.longestLease = builder.longestLease;
        StageDefinition<T> first = stages.get(RecoveryPoint.STARTED);
        this.completesAfterFailure = builder.completesAfterFailure == null
                ? first != null && first.callsOutside()
                : builder.completesAfterFailure;
        this.isSingle = !builder.staged
                && first != null
                && stages.size() == 1
                && !first.callsOutside()
                && first.targets().isEmpty();
        this.answers = List.copyOf(builder.answers);
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
     * @return what {@link Builder#resumableWithoutParameters} declared
     */
    public boolean isResumableWithoutParameters() {
        return resumableWithoutParameters;
    }

    /** Whether its isolations are known to be the store's. */
    boolean isOf(Engine<?> other) {
        return engine == other;
    }

    @Nullable
    Duration longestLease() {
        return longestLease;
    }

    boolean completesAfterFailure() {
        return completesAfterFailure;
    }

    /** Whether its requests run in one transaction, before which nothing is stored. */
    boolean isSingle() {
        return isSingle;
    }

    /** The response that an exception is, by the first declaration that says so. */
    Optional<Response> answerTo(Throwable failure) {
        return answers.stream()
                .map(answer -> Arguments.required(answer.apply(failure), "the answer to an exception"))
                .flatMap(Optional::stream)
                .findFirst();
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
     * Declares an operation, stage by stage in the order in which they run; not safe for many threads.
     *
     * @param <T> the store's transaction handle
     */
    public static final class Builder<T> {
        private final Engine<T> engine;
        private final String name;
        private final Map<RecoveryPoint, StageDeclaration<T>> declarations = new LinkedHashMap<>();
        private @Nullable Duration lease;
        private @Nullable Isolation isolation;
        private int maxAttempts = DEFAULT_MAX_ATTEMPTS;
        private Duration firstBackoff = DEFAULT_FIRST_BACKOFF;
        private Duration longestBackoff = DEFAULT_LONGEST_BACKOFF;
        private @Nullable UnaryOperator<Map<String, @Nullable Object>> redaction;
        private boolean resumableWithoutParameters;
        private @Nullable Duration longestLease;
        private @Nullable Boolean completesAfterFailure;
        private boolean staged;
        private final List<Function<Throwable, Optional<Response>>> answers = new ArrayList<>();

        Builder(Engine<T> engine, String name) {
            this.engine = engine;
            this.name = Arguments.name(name, "name");
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
         * The longest lease that takeovers may lead to: a worker that takes a key over from an expired lease gets twice
         * that lease, up to this bound. Choose the time that a stage takes on an overloaded machine. Default: ten times
         * the stage's lease.
         *
         * @param longestLease 1 millisecond to 24 hours; a stage's declared lease holds if it is longer
         * @return this
         * @throws IllegalArgumentException if it is out of bounds
         */
        public Builder<T> longestLease(Duration longestLease) {
            this.longestLease = Transitions.lease(longestLease, "longestLease");
            return this;
        }

        /**
         * Lets the completer finish a request even if its client was told of an exception before any stage was
         * committed. This is the default if the first stage makes an outside call, because the effect of that call must
         * not be forgotten; otherwise the default is {@link #leaveToClientAfterFailure}.
         *
         * <p>A request whose client was told nothing, for instance because its server died, is always completed.
         * Implies {@link #staged}.
         *
         * @return this
         */
        public Builder<T> completeAfterFailure() {
            this.completesAfterFailure = true;
            return staged();
        }

        /**
         * Stores the key before the operation's only stage runs, so that the completer brings the request to its end if
         * the server dies and the client stays away. This is so in any case for an operation of several stages or with
         * an outside call.
         *
         * <p>By default, an operation of one stage without an outside call runs in one transaction, which takes the key
         * first and stores it, finished, last. That is faster; a request that fails or is cut off leaves no key, so
         * that nothing is done later without its client; and as long as it runs, every other request with its key gets
         * {@link IdempotencyException.Locked}. But such a request is never completed without its client, and {@code
         * longestLease} and {@code leaveToClientAfterFailure} mean nothing to it.
         *
         * @return this
         */
        public Builder<T> staged() {
            this.staged = true;
            return this;
        }

        /**
         * Leaves a request to its client if that client was told of an exception before any stage was committed. Only
         * the client brings such a request on, because it may have given up and must not find later that the request
         * was performed. After the time to live the key counts as absent and is reaped. This is the default unless the
         * first stage makes an outside call (see {@link #completeAfterFailure}).
         *
         * @return this
         */
        public Builder<T> leaveToClientAfterFailure() {
            this.completesAfterFailure = false;
            return this;
        }

        /**
         * Says that exceptions of a type are answers: final, stored and replayed, such as a 404 for what doesn't exist.
         *
         * <p>If a stage or an outside call throws one, the stage's writes are rolled back, and the key is finished with
         * the response in one fenced write; the caller gets the response, not the exception. A crash in between leaves
         * the key as any crash does. If the response can't be stored, the caller gets an {@link IdempotencyException}
         * that says so, with the exception among its suppressed ones. Failures of a store, exceptions of this library
         * and the interruption of a thread are never answers. Default: no exception is an answer.
         *
         * @param <X> the exceptions' type
         * @param type the exceptions' class; its subclasses count, causes don't
         * @param answer from the exception to the response
         * @return this
         */
        public <X extends Throwable> Builder<T> answering(Class<X> type, Function<? super X, Response> answer) {
            Arguments.required(type, "type");
            Arguments.required(answer, "answer");
            return answering(thrown -> type.isInstance(thrown)
                    ? Optional.of(Arguments.required(answer.apply(type.cast(thrown)), "the answer to an exception"))
                    : Optional.empty());
        }

        /**
         * Says which exceptions are answers, as {@link #answering(Class, Function)} does for one type. The first
         * declaration that gives a response counts.
         *
         * @param answer from an exception to the response; empty if it isn't an answer
         * @return this
         */
        public Builder<T> answering(Function<Throwable, Optional<Response>> answer) {
            answers.add(Arguments.required(answer, "answer"));
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
         * stage or an outside call throws, or when its retries are exhausted; a process that dies doesn't count, and
         * neither do the attempts of a request that is left to its client (see {@link #leaveToClientAfterFailure}).
         * Default: {@link #DEFAULT_MAX_ATTEMPTS}. Implies {@link #staged}.
         *
         * @param maxAttempts 1 to 1,000,000
         * @return this
         * @throws IllegalArgumentException if it is out of bounds
         */
        public Builder<T> maxAttempts(int maxAttempts) {
            this.maxAttempts = Arguments.between(1, 1_000_000, maxAttempts, "maxAttempts");
            return staged();
        }

        /**
         * How long the completer leaves a request alone after a failed attempt: doubling from the first to the longest,
         * up to half of it at random. A client may come back at any time. Default: {@link #DEFAULT_FIRST_BACKOFF} and
         * {@link #DEFAULT_LONGEST_BACKOFF}. Implies {@link #staged}.
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
            return staged();
        }

        /**
         * Stores other parameters than those that the client sent, such as masked ones or none ({@code parameters ->
         * Map.of()}). The fingerprint is taken before. Stages see what the client at hand sent; the completer has only
         * what is stored, and leaves such requests to their clients unless {@link #resumableWithoutParameters} is set.
         * Default: all parameters are stored.
         *
         * @param redaction from the normalized parameters to those that may be stored
         * @return this
         */
        public Builder<T> redact(UnaryOperator<Map<String, @Nullable Object>> redaction) {
            this.redaction = Arguments.required(redaction, "redaction");
            return this;
        }

        /**
         * Declares that the stages can do without the parameters that {@link #redact} left out, so that the completer
         * may resume such requests too. Default: it may not. Implies {@link #staged}.
         *
         * @return this
         */
        public Builder<T> resumableWithoutParameters() {
            this.resumableWithoutParameters = true;
            return staged();
        }

        /**
         * Declares the stage that begins at a recovery point, and after which the request goes on to the one declared
         * next.
         *
         * @param at where it begins
         * @param action what it does
         * @param options what it does otherwise than the other stages
         * @return this
         * @throws IllegalArgumentException if a stage begins there already, it is {@code finished}, or there are {@link
         *     Operation#MAX_STAGES} already
         */
        public Builder<T> stage(RecoveryPoint at, WorkStage.Action<T> action, StageOption... options) {
            Arguments.required(action, "action");
            return declare(
                    at,
                    StageDeclaration.End.ADVANCES,
                    false,
                    next -> key -> stage -> {
                        action.run(stage);
                        return StageOutcome.advanceTo(next);
                    },
                    options);
        }

        /**
         * Declares the same with a call to another system before the transaction.
         *
         * @param <I> the outside call's result
         * @param at where it begins
         * @param outsideCall made before the transaction opens, once per attempt
         * @param action what it does with the call's result
         * @param options what it does otherwise than the other stages
         * @return this
         * @throws IllegalArgumentException as {@link #stage(RecoveryPoint, WorkStage.Action, StageOption...)}
         */
        public <I extends @Nullable Object> Builder<T> stage(
                RecoveryPoint at,
                OutsideCall<I> outsideCall,
                WorkStage.Action.WithInput<T, I> action,
                StageOption... options) {
            Arguments.required(outsideCall, "outsideCall");
            Arguments.required(action, "action");
            return declare(
                    at,
                    StageDeclaration.End.ADVANCES,
                    true,
                    next -> calling(outsideCall, (stage, input) -> {
                        action.run(stage, input);
                        return StageOutcome.advanceTo(next);
                    }),
                    options);
        }

        /**
         * Declares a last stage, which answers the request.
         *
         * @param at where it begins
         * @param answer what it does
         * @param options what it does otherwise than the other stages
         * @return this
         * @throws IllegalArgumentException as {@link #stage(RecoveryPoint, WorkStage.Action, StageOption...)}
         */
        public Builder<T> respond(RecoveryPoint at, WorkStage.Answer<T, Response> answer, StageOption... options) {
            Arguments.required(answer, "answer");
            return declare(
                    at,
                    StageDeclaration.End.RESPONDS,
                    false,
                    next -> key -> stage -> responded(at, answer.answer(stage)),
                    options);
        }

        /**
         * Declares a last stage, which answers with a value.
         *
         * @param <V> the value
         * @param at where it begins
         * @param codec makes a response of the value
         * @param answer what it does
         * @param options what it does otherwise than the other stages
         * @return this
         * @throws IllegalArgumentException as {@link #stage(RecoveryPoint, WorkStage.Action, StageOption...)}
         */
        public <V> Builder<T> respond(
                RecoveryPoint at, ResponseCodec<V> codec, WorkStage.Answer<T, V> answer, StageOption... options) {
            Arguments.required(codec, "codec");
            Arguments.required(answer, "answer");
            return respond(at, stage -> codec.encode(answer.answer(stage)), options);
        }

        /**
         * Declares a last stage with a call to another system before its transaction.
         *
         * @param <I> the outside call's result
         * @param at where it begins
         * @param outsideCall made before the transaction opens, once per attempt
         * @param answer what it does with the call's result
         * @param options what it does otherwise than the other stages
         * @return this
         * @throws IllegalArgumentException as {@link #stage(RecoveryPoint, WorkStage.Action, StageOption...)}
         */
        public <I extends @Nullable Object> Builder<T> respond(
                RecoveryPoint at,
                OutsideCall<I> outsideCall,
                WorkStage.Answer.WithInput<T, I, Response> answer,
                StageOption... options) {
            Arguments.required(outsideCall, "outsideCall");
            Arguments.required(answer, "answer");
            return declare(
                    at,
                    StageDeclaration.End.RESPONDS,
                    true,
                    next -> calling(outsideCall, (stage, input) -> responded(at, answer.answer(stage, input))),
                    options);
        }

        /**
         * Declares a stage that chooses: it advances to one of several points, or responds.
         *
         * @param at where it begins
         * @param work what it does
         * @param options among them {@link StageOption#advancesTo}; without it, the stage may advance to the one
         *     declared next
         * @return this
         * @throws IllegalArgumentException as {@link #stage(RecoveryPoint, WorkStage.Action, StageOption...)}
         */
        public Builder<T> branch(RecoveryPoint at, WorkStage<T> work, StageOption... options) {
            Arguments.required(work, "work");
            return declare(at, StageDeclaration.End.CHOOSES, false, next -> key -> work, options);
        }

        /**
         * Declares a stage that chooses after a call to another system.
         *
         * @param <I> the outside call's result
         * @param at where it begins
         * @param outsideCall made before the transaction opens, once per attempt
         * @param work what it does with the call's result
         * @param options as for {@link #branch(RecoveryPoint, WorkStage, StageOption...)}
         * @return this
         * @throws IllegalArgumentException as {@link #stage(RecoveryPoint, WorkStage.Action, StageOption...)}
         */
        public <I extends @Nullable Object> Builder<T> branch(
                RecoveryPoint at, OutsideCall<I> outsideCall, WorkStage.WithInput<T, I> work, StageOption... options) {
            Arguments.required(outsideCall, "outsideCall");
            Arguments.required(work, "work");
            return declare(at, StageDeclaration.End.CHOOSES, true, next -> calling(outsideCall, work), options);
        }

        private StageOutcome responded(RecoveryPoint at, @Nullable Response response) {
            if (response == null) {
                throw new NullPointerException("the stage at '" + at + "' of operation '" + name
                        + "', or its codec, returned null; it has to return a response");
            }
            return StageOutcome.respond(response);
        }

        /** Makes the call, and hands its result to each run of the work. */
        private static <T, I extends @Nullable Object> StageDefinition.Preparation<T> calling(
                OutsideCall<I> outsideCall, WorkStage.WithInput<T, I> work) {
            return key -> {
                I input = outsideCall.call(key);
                return stage -> work.work(stage, input);
            };
        }

        private Builder<T> declare(
                RecoveryPoint at,
                StageDeclaration.End end,
                boolean callsOutside,
                Function<RecoveryPoint, StageDefinition.Preparation<T>> preparation,
                StageOption... options) {
            List<StageOption> chosen = Arguments.listed(options, "options");
            if (Arguments.required(at, "at").equals(RecoveryPoint.FINISHED)) {
                throw Arguments.refused("at", at, "any but 'finished', where nothing is left to do");
            }
            if (declarations.size() == MAX_STAGES) {
                // Graphs are walked, and stages run, one level deeper for each.
                throw Arguments.refused("at", at, "at most " + MAX_STAGES + " stages");
            }
            if (declarations.putIfAbsent(at, new StageDeclaration<>(end, callsOutside, preparation, chosen)) != null) {
                throw Arguments.refused("at", at, "one stage per recovery point");
            }
            return this;
        }

        /**
         * Checks the graph and makes the operation.
         *
         * @return the operation
         * @throws IllegalStateException if there is no stage at {@code started}, a stage advances to a point that no
         *     stage begins at, a stage can't be reached, some way leads in a circle, or a stage that goes on has none
         *     behind it
         * @throws IllegalArgumentException if a stage asks for an isolation that the store doesn't have
         */
        public Operation<T> build() {
            Map<RecoveryPoint, StageDefinition<T>> stages = new LinkedHashMap<>();
            List<RecoveryPoint> order = new ArrayList<>(declarations.keySet());
            for (int i = 0; i < order.size(); i++) {
                RecoveryPoint at = order.get(i);
                Set<RecoveryPoint> next = i + 1 < order.size() ? Set.of(order.get(i + 1)) : Set.of();
                StageDeclaration<T> declaration = declarations.get(at);
                if (declaration != null) {
                    stages.put(at, declaration.define(name, at, next, lease, isolation));
                }
            }
            new StageGraph(name, stages).check();
            Operation<T> operation = new Operation<>(this, stages);
            engine.check(operation);
            return operation;
        }
    }
}
