package io.idempotencykey.service;

/** The calls that core makes for a request. */
enum Call {
    TIME,
    FIND,
    INSERT,
    REPLACE,
    COMMIT_STAGE,
    COMMIT_SINGLE
}
