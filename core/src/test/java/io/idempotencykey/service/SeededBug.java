package io.idempotencykey.service;

import io.idempotencykey.service.Finding.Kind;
import java.util.List;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * Mistakes that the simulation has to find, each as if a rule of the protocol were broken, in a store or in what core
 * takes from it. They are listed in {@code docs/TESTING.md}.
 */
enum SeededBug {
    NONE("", null),
    BLIND_WRITE("1", Kind.EFFECT_TWICE),
    ATTEMPTS_FORGOTTEN("1", Kind.ATTEMPTS_MISCOUNTED),
    CREATION_REWRITTEN("1", Kind.CREATION_CHANGED),
    FENCE_LEFT_OUT("2", Kind.EFFECT_TWICE),
    EFFECTS_WITHOUT_THE_KEY("2", Kind.EFFECT_TWICE),
    KEY_WITHOUT_THE_EFFECTS("2", Kind.EFFECT_MISSING),
    EFFECTS_KEPT_AFTER_ROLLBACK("2", Kind.EFFECT_THOUGH_DENIED),
    REVISIONS_DRAWN_FROM_FEW("3", Kind.REVISION_USED_TWICE),
    CONFLICT_TOLD_AS_FAILURE_THOUGH_COMMITTED("4", Kind.EFFECT_THOUGH_DENIED),
    LOST_ANSWER_TOLD_AS_FAILURE("5", Kind.EFFECT_THOUGH_DENIED),
    LOST_ANSWER_TOLD_AS_COMMIT("5", Kind.ANSWER_NOT_STORED),
    OWN_REVISION_NOT_RECOGNIZED("5", Kind.OWN_ANSWER_TOLD_AS_REPLAY),
    LATE_COMMIT_WITHOUT_FENCE("5", Kind.EFFECT_OUT_OF_ORDER),
    INSERT_OVERWRITES("6", Kind.ENDED_BEFORE_ITS_TIME),
    INSERT_STORES_NOTHING("6", Kind.NOT_ENDED),
    LOST_RACE_TOLD_AS_AN_ERROR("6", Kind.UNEXPECTED_ERROR),
    FINGERPRINT_IGNORED("7", Kind.ANSWER_OF_ANOTHER_REQUEST),
    SCOPE_IGNORED("7", Kind.ANSWER_OF_ANOTHER_REQUEST),
    EXPIRED_COUNTS_AS_PRESENT("8", Kind.ANSWER_AFTER_EXPIRY),
    UNFINISHED_REAPED("8", Kind.ENDED_BEFORE_ITS_TIME),
    QUARANTINED_REAPED("8", Kind.ENDED_BEFORE_ITS_TIME),
    REAPED_EARLY("8", Kind.ENDED_BEFORE_ITS_TIME),
    UNKNOWN_POINT_TAKEN_FOR_ANOTHER("9", Kind.WENT_BACK),
    TIME_OF_THE_SERVER("10", Kind.ENDED_BEFORE_ITS_TIME),
    RANDOM_BY_ITSELF("11", Kind.NOT_REPEATABLE),
    DEAD_HOLD_THEIR_KEYS("12", Kind.NOT_ENDED),
    LEASE_DOES_NOT_GROW("13", Kind.NOT_ENDED),
    FAILURE_TOLD_AS_CONFLICT("15", Kind.RUN_AGAIN_AFTER_ITS_FAILURE),
    ANSWER_NOT_STORED("16", Kind.ANSWER_NOT_STORED),
    RESPONSE_CUT("16", Kind.RESPONSE_CHANGED),
    LEFT_TO_CLIENT_COMPLETED("17", Kind.COMPLETED_WITHOUT_ITS_CLIENT),
    QUARANTINE_IGNORED("17", Kind.QUARANTINE_IGNORED),
    ABANDONED_NOT_FOUND("17", Kind.NOT_ENDED),
    SINGLE_STAGE_OVERWRITES("18", Kind.ENDED_BEFORE_ITS_TIME);

    /** The rule of {@code docs/PROTOCOL.md} that is broken. */
    final String rule;

    /** What it is found by, among other things. */
    final @Nullable Kind finding;

    SeededBug(String rule, @Nullable Kind finding) {
        this.rule = rule;
        this.finding = finding;
    }

    /** Whether these are what is looked for. */
    boolean showsIn(List<Finding> findings) {
        return finding == null ? !findings.isEmpty() : findings.stream().anyMatch(each -> each.kind() == finding);
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
