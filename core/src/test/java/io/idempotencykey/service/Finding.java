package io.idempotencykey.service;

/** Something that must not be in a history. */
record Finding(Kind kind, String what) {
    enum Kind {
        EFFECT_TWICE,
        EFFECT_OUT_OF_ORDER,
        EFFECT_MISSING,
        EFFECT_THOUGH_DENIED,
        RESPONSE_CHANGED,
        ANSWER_NOT_STORED,
        ANSWER_OF_ANOTHER_REQUEST,
        ANSWER_AFTER_EXPIRY,
        OWN_ANSWER_TOLD_AS_REPLAY,
        REVISION_USED_TWICE,
        CREATION_CHANGED,
        ENDED_BEFORE_ITS_TIME,
        WENT_BACK,
        ATTEMPTS_MISCOUNTED,
        QUARANTINE_IGNORED,
        COMPLETED_WITHOUT_ITS_CLIENT,
        RUN_AGAIN_AFTER_ITS_FAILURE,
        NOT_ENDED,
        OPERATED_ON_ANOTHER,
        UNEXPECTED_ERROR,
        NOT_REPEATABLE
    }

    @Override
    public String toString() {
        return kind + ": " + what;
    }
}
