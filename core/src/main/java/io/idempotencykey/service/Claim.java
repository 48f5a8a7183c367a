package io.idempotencykey.service;

import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.Response;
import io.idempotencykey.internal.Arguments;
import java.time.Duration;
import java.util.function.Function;

/** What a request may do after it presented its key. */
public sealed interface Claim {
    /**
     * Applies the function for the result at hand; there is one per result and no other case.
     *
     * @param <R> the functions' result
     * @param claimed applied if this worker holds the key now
     * @param replay applied if the key is finished
     * @param inFlight applied if another worker holds the key
     * @return what the function returned
     */
    <R> R match(
            Function<? super Claimed, ? extends R> claimed,
            Function<? super Replay, ? extends R> replay,
            Function<? super InFlight, ? extends R> inFlight);

    /**
     * This worker holds the key: at {@code started} if the request is new, else where the last attempt left it.
     *
     * @param key the right to run stages
     */
    record Claimed(HeldKey key) implements Claim {
        @Override
        public <R> R match(
                Function<? super Claimed, ? extends R> claimed,
                Function<? super Replay, ? extends R> replay,
                Function<? super InFlight, ? extends R> inFlight) {
            return Arguments.required(claimed, "claimed").apply(this);
        }
    }

    /**
     * The request is done: its response is to be given again.
     *
     * @param key what is known of the key
     * @param response what the first caller got
     */
    record Replay(IdempotencyKey key, Response response) implements Claim {
        @Override
        public <R> R match(
                Function<? super Claimed, ? extends R> claimed,
                Function<? super Replay, ? extends R> replay,
                Function<? super InFlight, ? extends R> inFlight) {
            return Arguments.required(replay, "replay").apply(this);
        }
    }

    /**
     * Another worker is at it.
     *
     * @param key what is known of the key
     * @param retryAfter the rest of the holder's lease
     */
    record InFlight(IdempotencyKey key, Duration retryAfter) implements Claim {
        @Override
        public <R> R match(
                Function<? super Claimed, ? extends R> claimed,
                Function<? super Replay, ? extends R> replay,
                Function<? super InFlight, ? extends R> inFlight) {
            return Arguments.required(inFlight, "inFlight").apply(this);
        }
    }
}
