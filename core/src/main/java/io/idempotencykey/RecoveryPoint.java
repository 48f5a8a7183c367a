package io.idempotencykey;

import io.idempotencykey.internal.Arguments;
import java.io.Serializable;

/**
 * The name of the phase at which the next attempt of a request resumes.
 *
 * <p>{@link #STARTED} and {@link #FINISHED} always exist; the application names those between them.
 *
 * @param name 1 to 100 ASCII letters, digits, {@code '.'}, {@code '_'} and {@code '-'}
 */
public record RecoveryPoint(String name) implements Serializable {
    /** Where every key begins. */
    public static final RecoveryPoint STARTED = new RecoveryPoint("started");

    /** Where every key ends: the response is stored. */
    public static final RecoveryPoint FINISHED = new RecoveryPoint("finished");

    /**
     * Checks the name.
     *
     * @throws IllegalArgumentException if the name has an illegal character or length
     */
    public RecoveryPoint {
        Arguments.name(name, "name");
    }

    /**
     * Names a recovery point of the application.
     *
     * @param name 1 to 100 ASCII letters, digits, {@code '.'}, {@code '_'} and {@code '-'}
     * @return the recovery point
     * @throws IllegalArgumentException if the name has an illegal character or length
     */
    public static RecoveryPoint named(String name) {
        return new RecoveryPoint(name);
    }

    /** Returns the name. */
    @Override
    public String toString() {
        return name;
    }
}
