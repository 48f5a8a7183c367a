package io.idempotencykey.spring;

/**
 * What happens when code in a stage leaves the stage's transaction: by {@code REQUIRES_NEW}, by {@code NOT_SUPPORTED},
 * or by a transaction of another manager. What it writes then is neither fenced nor rolled back with the stage, and a
 * second run of the stage writes it again.
 */
public enum InnerTransactions {
    /** The code fails with an {@link IllegalStateException}, and so does the stage, even if it catches that. */
    REFUSED,
    /** The code runs, and a warning names it once. For what should stay after a failure, such as an audit's rows. */
    LOGGED
}
