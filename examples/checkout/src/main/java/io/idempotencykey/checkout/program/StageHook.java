package io.idempotencykey.checkout.program;

import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.checkout.Checkout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * Runs at the points of requests where they can be delayed or made to fail: inside each stage's transaction, after its
 * writes and before its commit; and around the only write of a review.
 */
@FunctionalInterface
interface StageHook {
    /** A review's transaction has taken the key, and has written no review yet. */
    String REVIEW_BEGUN = "review_begun";

    /** A review is written, and its transaction not committed yet. */
    String REVIEW_WRITTEN = "review_written";

    /** A review is committed, and its client not answered yet; what fails here changes nothing. */
    String REVIEW_COMMITTED = "review_committed";

    Duration LONGEST_DELAY = Duration.ofHours(24);

    /**
     * Runs on the stage's thread.
     *
     * @param point the recovery point at which the stage of a cart's completion began, or one of a review's points
     * @param key the key as of the beginning of the stage
     */
    void at(String point, IdempotencyKey key);

    /**
     * Delays each stage by a duration; or, by {@code STAGE:DURATION}, only at one point, and prints that it has come
     * there.
     */
    static StageHook delay(String text) {
        int colon = text.lastIndexOf(':');
        Optional<String> only = colon < 0
                ? Optional.empty()
                : Optional.of(point("stage-delay", text.substring(0, colon), REVIEW_COMMITTED));
        Duration delay = Options.duration("stage-delay", text.substring(colon + 1), LONGEST_DELAY);
        return (point, key) -> {
            if (only.isPresent() ? !only.get().equals(point) : !isBeforeCommit(point)) {
                return;
            }
            if (only.isPresent()) {
                System.out.println(waitingAt(point));
            }
            try {
                Thread.sleep(delay.toMillis());
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException("interrupted in the middle of a stage", e);
            }
        };
    }

    /** The line that is printed where a request waits at the point that was named. */
    static String waitingAt(String point) {
        return "waiting at " + point;
    }

    private static boolean isBeforeCommit(String point) {
        return !point.equals(REVIEW_BEGUN) && !point.equals(REVIEW_COMMITTED);
    }

    /** Makes the first runs of a stage fail: {@code STAGE:N} says at which point they fail, and how many. */
    static StageHook failAt(String stageAndTimes) {
        int colon = stageAndTimes.lastIndexOf(':');
        String times = stageAndTimes.substring(colon + 1);
        if (colon < 1 || !times.matches("[0-9]{1,9}")) {
            throw new Options.Refused(
                    "--fail-at is '" + stageAndTimes + "'; allowed: a recovery point, a colon and a number");
        }
        String failing = point("fail-at", stageAndTimes.substring(0, colon), null);
        AtomicInteger left = new AtomicInteger(Integer.parseInt(times));
        return (point, key) -> {
            if (point.equals(failing) && left.getAndUpdate(n -> Math.max(0, n - 1)) > 0) {
                throw new IllegalStateException("the stage at " + point + " fails, as --fail-at asks");
            }
        };
    }

    private static String point(String option, String name, @Nullable String more) {
        List<String> allowed = new ArrayList<>();
        Checkout.STAGES.forEach(stage -> allowed.add(stage.name()));
        allowed.addAll(List.of(REVIEW_BEGUN, REVIEW_WRITTEN));
        if (more != null) {
            allowed.add(more);
        }
        if (!allowed.contains(name)) {
            throw new Options.Refused("--" + option + " names the stage '" + name + "'; allowed: " + allowed);
        }
        return name;
    }
}
