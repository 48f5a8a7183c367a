package io.idempotencykey.service;

import io.idempotencykey.IdempotencyKey;
import org.jspecify.annotations.Nullable;

/**
 * A call to another system that a stage needs, made before its transaction opens, once per attempt.
 *
 * <p>A later attempt makes it again: give the other system {@link IdempotencyKey#derivedKey} so that it acts once. What
 * it throws, checked exceptions too, releases the key and reaches the caller as it is.
 *
 * @param <I> the result
 */
@FunctionalInterface
public interface OutsideCall<I extends @Nullable Object> {
    /**
     * Makes the call.
     *
     * @param key what is known of the key, its request and derived keys among it
     * @return the stage's input
     * @throws Exception whatever goes wrong; the stage isn't run
     */
    I call(IdempotencyKey key) throws Exception;
}
