package io.idempotencykey.service;

/** What can go wrong with one call of a store. */
enum Fault {
    /** Nothing. */
    NONE,
    /** Nothing is done: there is no connection. */
    UNAVAILABLE,
    /** What was done is rolled back: a serialization failure, a deadlock. */
    TRANSIENT,
    /** Nothing is done: a transaction holds the row. */
    BUSY,
    /** The wait for the row ended with an error, and the change is made all the same. */
    BUSY_BUT_MADE,
    /** Nothing is done: no room. */
    FULL,
    /** Nothing is done, and the answer is lost. */
    LOST,
    /** The change is made, and the answer is lost. */
    MADE_BUT_UNANSWERED,
    /** The answer is lost, and the change is made after one or more later calls. */
    LATE,
    /** Nothing is done: an adapter throws what it should have translated. */
    UNTRANSLATED,
    /** The process ends before the call. */
    CRASH_BEFORE,
    /** The process ends after the call. */
    CRASH_AFTER
}
