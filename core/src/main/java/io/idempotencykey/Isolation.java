package io.idempotencykey;

/** How strictly a stage's transaction is kept apart from others, from the weakest to the strongest. */
public enum Isolation {
    /** A statement sees what was committed before it began. */
    READ_COMMITTED,
    /** A row that was read stays as it was read. */
    REPEATABLE_READ,
    /** The transaction sees one moment of the store; two that write the same row can't both commit. */
    SNAPSHOT,
    /** As if the transactions had run one after the other; stores differ in how far they keep this promise. */
    SERIALIZABLE
}
