package io.idempotencykey.service;

import io.idempotencykey.Response;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StoredKey;

/** A write that the holder proposes, and what its caller gets if the write is found to be made. */
record Proposal(StoredKey stored, StageResult result) {
    static Proposal of(HeldKey next) {
        return new Proposal(next.stored(), new StageResult.Held(next));
    }

    static Proposal of(StoredKey finished, Response response) {
        return new Proposal(finished, new StageResult.Finished(finished.key(), response));
    }

    Revision revision() {
        return stored.revision();
    }
}
