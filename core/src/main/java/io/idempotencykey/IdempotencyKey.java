package io.idempotencykey;

import io.idempotencykey.internal.Arguments;
import java.time.Instant;
import java.util.UUID;

/**
 * What is known of a key: a view, which gives no right to change the key.
 *
 * <p>Immutable. All times are the store's, in UTC, and whole milliseconds.
 *
 * @param creation what the key's creation fixed
 * @param progress how far its request has come
 */
public record IdempotencyKey(KeyCreation creation, KeyProgress progress) {
    /** Refuses a missing half. */
    public IdempotencyKey {
        Arguments.required(creation, "creation");
        Arguments.required(progress, "progress");
    }

    /**
     * The key's identity.
     *
     * @return scope and value
     */
    public KeyId id() {
        return creation.id();
    }

    /**
     * The id of this creation of the key.
     *
     * @return random; a key that expired and was created anew has another, and so has each attempt of a request whose
     *     one stage runs in one transaction, until one is committed
     */
    public UUID creationId() {
        return creation.creationId();
    }

    /**
     * The name of the declared operation that the key was made for.
     *
     * @return empty if there is none
     */
    public String operation() {
        return creation.operation();
    }

    /**
     * The request that the key was made for.
     *
     * @return as it is stored, which is less than the client sent if the operation redacts it
     */
    public Request request() {
        return creation.request();
    }

    /**
     * The digest of operation and request that every retry is compared with.
     *
     * @return as it was computed when the key was created
     */
    public Fingerprint fingerprint() {
        return creation.fingerprint();
    }

    /**
     * When the key was created.
     *
     * @return the store's time
     */
    public Instant createdAt() {
        return creation.createdAt();
    }

    /**
     * When the key was last written.
     *
     * @return the store's time
     */
    public Instant updatedAt() {
        return progress.updatedAt();
    }

    /**
     * How many times the key was locked.
     *
     * @return only grows within one creation, so it orders attempts towards other systems; 0 for a key that was never
     *     locked, such as that of a request whose one stage runs in one transaction, whose attempts it doesn't order
     */
    public long attempts() {
        return progress.attempts();
    }

    /**
     * How many attempts ended with an exception since the last committed stage.
     *
     * @return 0 or more
     */
    public int failedAttempts() {
        return progress.failedAttempts();
    }

    /**
     * Class and message of what ended the last failed attempt, or what an operator did.
     *
     * @return at most {@value KeyProgress#MAX_ERROR_LENGTH} characters; empty if there is none
     */
    public String lastError() {
        return progress.lastError();
    }

    /**
     * The key's state.
     *
     * @return one of the kinds of {@link KeyState}
     */
    public KeyState state() {
        return progress.state();
    }

    /**
     * Where the next attempt resumes.
     *
     * @return the state's recovery point
     */
    public RecoveryPoint recoveryPoint() {
        return state().recoveryPoint();
    }

    /**
     * A stable idempotency key for a call to another system.
     *
     * <p>It is computed from the creation id and the name: the same in every attempt, another one once the key has
     * expired and was created anew, and of no use for guessing this key. Use one name per call that the request makes.
     *
     * @param name what the call is for, such as {@code "charge"}: 1 to 100 ASCII letters, digits, {@code '.'}, {@code
     *     '_'} and {@code '-'}
     * @return 36 characters in the form of a UUID (version 8 of RFC 9562)
     * @throws IllegalArgumentException if the name has an illegal character or length
     * @throws IllegalStateException in a request's only stage, which runs in one transaction: nothing of the key is
     *     stored yet, so the next attempt would derive another one
     */
    public String derivedKey(String name) {
        if (state() instanceof KeyState.Locked && attempts() == 0) {
            throw new IllegalStateException("nothing of the key is stored before this stage commits, so a retry would"
                    + " derive another key for '" + name + "'. Make the call as the stage's outside call, or declare"
                    + " its operation with staged()");
        }
        return creation.derivedKey(name);
    }

    /**
     * The same key with another request, for instance as its client sent it where less of it is stored.
     *
     * @param seen the request
     * @return the view with that request
     */
    public IdempotencyKey withRequest(Request seen) {
        return new IdempotencyKey(creation.of(seen), progress);
    }

    /** Returns identity, state and counters; never the request or an error. */
    @Override
    public String toString() {
        return "IdempotencyKey[" + id() + ", " + state().name() + " at " + recoveryPoint() + ", attempt " + attempts()
                + "]";
    }
}
