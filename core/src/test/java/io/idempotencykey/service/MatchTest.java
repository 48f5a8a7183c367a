package io.idempotencykey.service;

import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import io.idempotencykey.Fingerprint;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.UUID;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

@SuppressWarnings("NullAway")
class MatchTest {
    static Stream<Arguments> cases() {
        Instant now = Instant.EPOCH;
        Response response = Response.of(200, new byte[0]);
        KeyState open = new KeyState.Open(RecoveryPoint.STARTED, now);
        Request request = Request.of("POST", "/", Map.of());
        IdempotencyKey key = new IdempotencyKey(
                KeyId.of("key"), new UUID(0, 0), "", request, Fingerprint.of("", request), now, now, 1, 0, "", open);
        HeldKey held = new HeldKey(new StoredKey(key, new Revision(new UUID(0, 0))));
        return Stream.of(
                state(open, "open"),
                state(new KeyState.Locked(RecoveryPoint.STARTED, now, now), "locked"),
                state(new KeyState.Finished(response, now, now), "finished"),
                state(new KeyState.Quarantined(RecoveryPoint.STARTED, now, ""), "quarantined"),
                claim(new Claim.Claimed(held), "claimed"),
                claim(new Claim.Replay(key, response), "replay"),
                claim(new Claim.InFlight(key, Duration.ZERO), "inFlight"),
                Arguments.of((Runnable) () -> new StageResult.Held(held).match(null, null), "held"),
                Arguments.of((Runnable) () -> new StageResult.Finished(key, response).match(null, null), "finished"),
                Arguments.of(
                        (Runnable) () ->
                                StageOutcome.advanceTo(RecoveryPoint.STARTED).match(null, null),
                        "advance"),
                Arguments.of((Runnable) () -> StageOutcome.respond(response).match(null, null), "respond"),
                commit(StageCommit.committed(), "committed"),
                commit(StageCommit.fencedOff(), "fencedOff"),
                commit(StageCommit.rolledBack(new Throwable()), "rolledBack"),
                commit(StageCommit.transientlyRolledBack(new Throwable()), "transientlyRolledBack"),
                commit(StageCommit.unknown(new Throwable()), "unknown"));
    }

    private static Arguments state(KeyState state, String name) {
        return Arguments.of((Runnable) () -> state.match(null, null, null, null), name);
    }

    private static Arguments claim(Claim claim, String name) {
        return Arguments.of((Runnable) () -> claim.match(null, null, null), name);
    }

    private static Arguments commit(StageCommit commit, String name) {
        return Arguments.of((Runnable) () -> commit.match(null, null, null, null, null), name);
    }

    @ParameterizedTest
    @MethodSource("cases")
    void theFunctionForTheCaseAtHandIsNamedIfItIsNull(Runnable match, String name) {
        assertThatNullPointerException()
                .isThrownBy(match::run)
                .withMessage("argument '" + name + "' is null; a value is required");
    }
}
