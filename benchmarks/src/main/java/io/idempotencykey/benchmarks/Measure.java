package io.idempotencykey.benchmarks;

/** What of a turn is compared. */
enum Measure {
    /** Requests per second. */
    RATE {
        @Override
        double of(Turn turn) {
            return turn.rate();
        }
    },
    /** Bytes allocated for a request. */
    BYTES {
        @Override
        double of(Turn turn) {
            return turn.bytes();
        }
    },

    /** Requests per second beside askers, of those alone. */
    KEPT {
        @Override
        double of(Turn turn) {
            return turn.rate();
        }
    };

    abstract double of(Turn turn);
}
