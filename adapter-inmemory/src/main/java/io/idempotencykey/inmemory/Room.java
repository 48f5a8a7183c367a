package io.idempotencykey.inmemory;

import java.util.concurrent.atomic.AtomicInteger;

/** The bounded number of places for keys, shared by all parts of a store. */
final class Room {
    private final int places;
    private final AtomicInteger used = new AtomicInteger();

    Room(int places) {
        this.places = places;
    }

    /** Uses one more place, if there is one. */
    boolean use() {
        return used.getAndUpdate(now -> now < places ? now + 1 : now) < places;
    }

    void giveBack() {
        used.decrementAndGet();
    }

    int places() {
        return places;
    }
}
