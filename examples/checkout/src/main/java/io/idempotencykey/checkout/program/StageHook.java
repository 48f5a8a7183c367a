package io.idempotencykey.checkout.program;

import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.checkout.Checkout;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;

/** Runs inside each stage's transaction, after its writes and before its commit, to delay it or to make it fail. */
@FunctionalInterface
interface StageHook {
    Duration LONGEST_DELAY = Duration.ofHours(24);

    /** Runs on the stage's thread; {@code key} is the key as of the beginning of the stage. */
    void beforeCommit(IdempotencyKey key);

    /** Delays each stage by a duration; or, by {@code STAGE:DURATION}, only the one that begins at a recovery point. */
    static StageHook delay(String text) {
        int colon = text.lastIndexOf(':');
        Optional<RecoveryPoint> only =
                colon < 0 ? Optional.empty() : Optional.of(stage("stage-delay", text.substring(0, colon)));
        Duration delay = Options.duration("stage-delay", text.substring(colon + 1), LONGEST_DELAY);
        return key -> {
            if (only.isPresent() && !only.get().equals(key.recoveryPoint())) {
                return;
            }
            try {
                Thread.sleep(delay.toMillis());
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException("interrupted in the middle of a stage", e);
            }
        };
    }

    /**
     * Makes the first runs of a stage fail: {@code STAGE:N} says at which recovery point it begins and how many fail.
     */
    static StageHook failAt(String stageAndTimes) {
        int colon = stageAndTimes.lastIndexOf(':');
        String times = stageAndTimes.substring(colon + 1);
        if (colon < 1 || !times.matches("[0-9]{1,9}")) {
            throw new Options.Refused(
                    "--fail-at is '" + stageAndTimes + "'; allowed: a recovery point, a colon and a number");
        }
        RecoveryPoint stage = stage("fail-at", stageAndTimes.substring(0, colon));
        AtomicInteger left = new AtomicInteger(Integer.parseInt(times));
        return key -> {
            if (key.recoveryPoint().equals(stage) && left.getAndUpdate(n -> Math.max(0, n - 1)) > 0) {
                throw new IllegalStateException("the stage at " + stage + " fails, as --fail-at asks");
            }
        };
    }

    private static RecoveryPoint stage(String option, String name) {
        return Checkout.STAGES.stream()
                .filter(stage -> stage.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new Options.Refused(
                        "--" + option + " names the stage '" + name + "'; allowed: " + Checkout.STAGES));
    }
}
