package io.idempotencykey.service;

import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.Response;
import java.time.Duration;

/** What a request may do after it presented its key. */
public sealed interface Claim {
    /**
     * Calls the visitor's method for the result at hand.
     *
     * @param <R> the visitor's result
     * @param visitor has one method per result
     * @return what that method returned
     */
    <R> R accept(Visitor<R> visitor);

    /**
     * Has one method for each result.
     *
     * @param <R> the visitor's result
     */
    interface Visitor<R> {
        /**
         * This worker holds the key.
         *
         * @param claimed the result
         * @return what the visitor makes of it
         */
        R claimed(Claimed claimed);

        /**
         * The request is done.
         *
         * @param replay the result
         * @return what the visitor makes of it
         */
        R replay(Replay replay);

        /**
         * Another worker holds the key.
         *
         * @param inFlight the result
         * @return what the visitor makes of it
         */
        R inFlight(InFlight inFlight);
    }

    /**
     * This worker holds the key: at {@code started} if the request is new, else where the last attempt left it.
     *
     * @param key the right to run stages
     */
    record Claimed(HeldKey key) implements Claim {
        @Override
        public <R> R accept(Visitor<R> visitor) {
            return visitor.claimed(this);
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
        public <R> R accept(Visitor<R> visitor) {
            return visitor.replay(this);
        }
    }

    /**
     * Another worker holds the key.
     *
     * @param key what is known of the key
     * @param retryAfter when it makes sense to ask again: after as long as the key has been held so far, but at least a
     *     second, and otherwise not after the holder's lease
     */
    record InFlight(IdempotencyKey key, Duration retryAfter) implements Claim {
        @Override
        public <R> R accept(Visitor<R> visitor) {
            return visitor.inFlight(this);
        }
    }
}
