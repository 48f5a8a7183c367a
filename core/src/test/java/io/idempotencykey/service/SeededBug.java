package io.idempotencykey.service;

import java.util.Random;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;

/**
 * Mistakes that the simulation has to find, each as if a rule of the protocol were broken, in a store or in what core
 * takes from it. They are listed in {@code docs/TESTING.md}.
 */
enum SeededBug {
    NONE(""),
    BLIND_WRITE("1"),
    ATTEMPTS_FORGOTTEN("1"),
    CREATION_REWRITTEN("1"),
    FENCE_LEFT_OUT("2"),
    EFFECTS_WITHOUT_THE_KEY("2"),
    KEY_WITHOUT_THE_EFFECTS("2"),
    EFFECTS_KEPT_AFTER_ROLLBACK("2"),
    REVISIONS_DRAWN_FROM_FEW("3"),
    CONFLICT_TOLD_AS_FAILURE_THOUGH_COMMITTED("4"),
    LOST_ANSWER_TOLD_AS_FAILURE("5"),
    LOST_ANSWER_TOLD_AS_COMMIT("5"),
    LATE_COMMIT_WITHOUT_FENCE("5"),
    INSERT_OVERWRITES("6"),
    INSERT_STORES_NOTHING("6"),
    FINGERPRINT_IGNORED("7"),
    SCOPE_IGNORED("7"),
    EXPIRED_COUNTS_AS_PRESENT("8"),
    UNFINISHED_REAPED("8"),
    QUARANTINED_REAPED("8"),
    REAPED_EARLY("8"),
    UNKNOWN_POINT_TAKEN_FOR_ANOTHER("9"),
    TIME_OF_THE_SERVER("10"),
    RANDOM_BY_ITSELF("11"),
    DEAD_HOLD_THEIR_KEYS("12"),
    LEASE_DOES_NOT_GROW("13"),
    FAILURE_TOLD_AS_CONFLICT("15"),
    ANSWER_NOT_STORED("16"),
    RESPONSE_CUT("16"),
    LEFT_TO_CLIENT_COMPLETED("17"),
    QUARANTINE_IGNORED("17"),
    ABANDONED_NOT_FOUND("17"),
    SINGLE_STAGE_OVERWRITES("18");

    /** The rule of {@code docs/PROTOCOL.md} that is broken. */
    final String rule;

    SeededBug(String rule) {
        this.rule = rule;
    }

    /** The worlds in which it shows. */
    Plot plot(Choices choices) {
        return this == LEASE_DOES_NOT_GROW ? Plot.slow(3, 2) : Plot.chosen(choices);
    }

    RandomGenerator randomness(long seed) {
        return switch (this) {
            case RANDOM_BY_ITSELF -> new SplittableRandom();
            case REVISIONS_DRAWN_FROM_FEW -> fewValues(seed);
            default -> new SplittableRandom(seed);
        };
    }

    private static RandomGenerator fewValues(long seed) {
        return new Random(seed) {
            private static final long serialVersionUID = 1L;

            @Override
            public void nextBytes(byte[] bytes) {
                super.nextBytes(bytes);
                for (int i = 0; i < bytes.length; i++) {
                    bytes[i] = (byte) (i == 0 ? bytes[0] & 7 : 0);
                }
            }
        };
    }
}
