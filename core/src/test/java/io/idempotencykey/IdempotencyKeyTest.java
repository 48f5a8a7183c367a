package io.idempotencykey;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class IdempotencyKeyTest {
    private static final Instant NOW = Instant.parse("2026-01-02T03:04:05.006Z");
    private static final UUID CREATION = UUID.fromString("00112233-4455-6677-8899-aabbccddeeff");
    private static final RecoveryPoint PAID = RecoveryPoint.named("paid");

    @Test
    void aDerivedKeyIsThisOneForEver() {
        // Computed with another language's SHA-256 over the creation id's sixteen bytes and the name.
        assertThat(key(CREATION).derivedKey("charge")).isEqualTo("bca66f5e-d717-8544-8fe1-af6b4137104a");
    }

    @Test
    void aDerivedKeyDependsOnTheCreationAndTheName() {
        IdempotencyKey anew = key(UUID.fromString("00112233-4455-6677-8899-aabbccddeefe"));

        assertThat(List.of(
                        key(CREATION).derivedKey("charge"),
                        key(CREATION).derivedKey("refund"),
                        anew.derivedKey("charge"),
                        anew.derivedKey("refund")))
                .doesNotHaveDuplicates();
        assertThat(key(CREATION).derivedKey("charge")).isEqualTo(key(CREATION).derivedKey("charge"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "a b", "é", "a/b", "a\n"})
    void anIllegalNameOfADerivedKeyIsRefused(String name) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> key(CREATION).derivedKey(name))
                .withMessageContaining("argument 'name'")
                .withMessageContaining("1 to 100 ASCII letters");
    }

    @Test
    void namesHaveAtMostAHundredCharacters() {
        assertThat(RecoveryPoint.named("azAZ09_-." + "n".repeat(91)).name()).hasSize(100);
        assertThatIllegalArgumentException().isThrownBy(() -> RecoveryPoint.named("n".repeat(101)));
    }

    @Test
    void onlyAFinishedKeyStandsAtFinished() {
        assertThat(new KeyState.Finished(Response.of(200, new byte[0]), NOW, NOW).recoveryPoint())
                .isEqualTo(RecoveryPoint.FINISHED);
        assertThatIllegalArgumentException().isThrownBy(() -> new KeyState.Open(RecoveryPoint.FINISHED, NOW));
        assertThatIllegalArgumentException().isThrownBy(() -> new KeyState.Locked(RecoveryPoint.FINISHED, NOW, NOW));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new KeyState.Quarantined(RecoveryPoint.FINISHED, NOW, "why"))
                .withMessageContaining("any but 'finished'");
    }

    @Test
    void everyStateMatchesItsOwnFunction() {
        List<KeyState> states = List.of(
                new KeyState.Open(PAID, NOW),
                new KeyState.Locked(PAID, NOW, NOW),
                new KeyState.Finished(Response.of(200, new byte[0]), NOW, NOW),
                new KeyState.Quarantined(PAID, NOW, "why"));

        assertThat(states).extracting(KeyState::name).containsExactly("open", "locked", "finished", "quarantined");
        assertThat(states)
                .extracting(KeyState::recoveryPoint)
                .containsExactly(PAID, PAID, RecoveryPoint.FINISHED, PAID);
    }

    @Test
    void aReasonIsOneLineOfAThousandCharacters() {
        assertThat(new KeyState.Quarantined(PAID, NOW, "é".repeat(1000)).reason())
                .hasSize(1000);
        assertThatIllegalArgumentException().isThrownBy(() -> new KeyState.Quarantined(PAID, NOW, "r".repeat(1001)));
        assertThatIllegalArgumentException().isThrownBy(() -> new KeyState.Quarantined(PAID, NOW, "a\nb"));
        assertThatIllegalArgumentException().isThrownBy(() -> new KeyState.Quarantined(PAID, NOW, "\ud800"));
    }

    @Test
    void theTextShowsNeitherParametersNorErrors() {
        assertThat(key(CREATION)).hasToString("IdempotencyKey[shop/12345678…, open at paid, attempt 3]");
    }

    @Test
    void countersAreNeverNegativeNorSoLargeThatCountingOnFails() {
        assertThat(key(KeyProgress.MAX_ATTEMPTS, KeyProgress.MAX_FAILED_ATTEMPTS)
                        .attempts())
                .isPositive();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> key(KeyProgress.MAX_ATTEMPTS + 1, 0))
                .withMessageContaining("'attempts' is '4611686018427387905'");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> key(0, KeyProgress.MAX_FAILED_ATTEMPTS + 1))
                .withMessageContaining("'failedAttempts' is '1073741825'");
        assertThatIllegalArgumentException().isThrownBy(() -> key(-1, 0)).withMessageContaining("'attempts' is '-1'");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> key(0, -1))
                .withMessageContaining("'failedAttempts' is '-1'");
    }

    @Test
    void everyErrorHasTheStatusThatSuitsItAndSaysWhenToRetry() {
        KeyId id = KeyId.of("12345678-secret");
        Fingerprint fingerprint = new Fingerprint("v1:a");
        Map<IdempotencyException, Integer> statuses = Map.ofEntries(
                Map.entry(new IdempotencyException.InvalidKey("bad"), 400),
                Map.entry(new IdempotencyException.NotFound(id), 404),
                Map.entry(new IdempotencyException.KeyExists(id), 409),
                Map.entry(new IdempotencyException.Locked(id, Duration.ofSeconds(5)), 409),
                Map.entry(new IdempotencyException.StaleKey(id, null), 409),
                Map.entry(new IdempotencyException.AlreadyFinished(id, Response.of(200, new byte[0])), 409),
                Map.entry(new IdempotencyException.Mismatch(id, fingerprint, fingerprint), 422),
                Map.entry(new IdempotencyException.Quarantined(id, "secret reason"), 409),
                Map.entry(new IdempotencyException.UnknownRecoveryPoint(id, PAID, java.util.Set.of()), 500),
                Map.entry(new IdempotencyException.ResponseTooLarge(id, 2, 1), 500),
                Map.entry(new IdempotencyException.RetriesExhausted(id, 3, null), 503),
                Map.entry(new IdempotencyException.StoreFull(id, null), 503),
                Map.entry(new IdempotencyException.StoreUnavailable(id, null), 503),
                Map.entry(new IdempotencyException.UnreadableKey(id, null), 500),
                Map.entry(new IdempotencyException.OutcomeUnknown(id, null), 503));

        assertThat(statuses).hasSize(IdempotencyException.class.getPermittedSubclasses().length);
        statuses.forEach((error, status) -> {
            assertThat(error.httpStatus()).as(error.toString()).isEqualTo(status);
            assertThat(error.getMessage()).doesNotContain("secret");
            boolean again = status == 503
                    || error instanceof IdempotencyException.Locked
                    || error instanceof IdempotencyException.StaleKey;
            assertThat(error.retryAfter().isPresent()).as(error.toString()).isEqualTo(again);
            if (!(error instanceof IdempotencyException.InvalidKey)) {
                assertThat(error.keyId()).contains(id);
            }
        });
        assertThat(new IdempotencyException.Locked(id, Duration.ofSeconds(5)).retryAfter())
                .contains(Duration.ofSeconds(5));
        assertThat(new IdempotencyException.StoreUnavailable(null, null).keyId())
                .isEmpty();
    }

    private static IdempotencyKey key(UUID creation) {
        return key(creation, 3, 0);
    }

    private static IdempotencyKey key(long attempts, int failed) {
        return key(CREATION, attempts, failed);
    }

    private static IdempotencyKey key(UUID creation, long attempts, int failed) {
        Request request = Request.of("POST", "/", Map.of("card", "secret"));
        return new IdempotencyKey(
                new KeyCreation(
                        KeyId.of("shop", "12345678-secret"),
                        creation,
                        "op",
                        request,
                        Fingerprint.of("op", request),
                        NOW),
                new KeyProgress(new KeyState.Open(PAID, NOW), attempts, failed, "", NOW));
    }
}
