package io.idempotencykey.service;

import io.idempotencykey.KeyId;
import java.util.concurrent.atomic.AtomicLongArray;

/**
 * The keys that this process has lately seen finished, which are likely to be so still, and then are only to be read.
 *
 * <p>A guess, and never more: a wrong one costs one read. It takes 64 KiB, and a newer key may take an older one's
 * place.
 */
final class FinishedKeys {
    /** A power of two. */
    private static final int PLACES = 1 << 13;

    private final AtomicLongArray seen = new AtomicLongArray(PLACES);

    void add(KeyId id) {
        long hash = hash(id);
        seen.lazySet(place(hash), hash);
    }

    boolean isLikely(KeyId id) {
        long hash = hash(id);
        return seen.get(place(hash)) == hash;
    }

    private static int place(long hash) {
        return (int) (hash >>> 32) & (PLACES - 1);
    }

    /** Spreads the texts' hashes over all bits, as the last step of MurmurHash3 does; never 0. */
    private static long hash(KeyId id) {
        long hash = ((long) id.scope().hashCode() << 32) ^ id.value().hashCode();
        hash = (hash ^ (hash >>> 33)) * 0xff51afd7ed558ccdL;
        hash = (hash ^ (hash >>> 33)) * 0xc4ceb9fe1a85ec53L;
        return (hash ^ (hash >>> 33)) | 1;
    }
}
