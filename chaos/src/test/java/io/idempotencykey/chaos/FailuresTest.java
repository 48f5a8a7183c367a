package io.idempotencykey.chaos;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is an exception in a shop's log, and which one no fault explains. */
class FailuresTest {
    private static final String FAILED =
            "2026-11-27 11:46:01.515 [http-1] ERROR io.idempotencykey.checkout.http.WebServer - a request failed";

    private static Failures read(String exception, String frame) {
        return read(exception, frame, List.of());
    }

    private static Failures read(String exception, String frame, List<Checker.Promotion> promotions) {
        return Failures.of(
                List.of(FAILED, exception, "\tat java.base/java.util.List.of(List.java:1)", "\tat " + frame),
                promotions);
    }

    @Test
    void anExceptionOfADatabaseIsCounted() {
        Failures failures =
                read("org.hibernate.exception.JDBCConnectionException: gone", "org.hibernate.X.y(X.java:1)");

        assertThat(failures.counts())
                .containsOnly(entry("a request failed: org.hibernate.exception.JDBCConnectionException"));
        assertThat(failures.unexplained()).isEmpty();
    }

    @Test
    void anExceptionThatTheLibraryThrowsByMistakeIsFoundWithItsStack() {
        Failures failures =
                read("java.lang.IllegalStateException: what", "io.idempotencykey.service.Tries.run(T.java:1)");

        assertThat(failures.counts()).containsOnly(entry("a request failed: java.lang.IllegalStateException"));
        assertThat(failures.unexplained())
                .extracting(Checker.Anomaly::kind)
                .containsExactly(Checker.Kind.EXCEPTION_UNEXPLAINED);
        assertThat(failures.unexplained().get(0).history()).contains(FAILED, "java.lang.IllegalStateException: what");
    }

    @Test
    void anExceptionThatADriverThrowsByMistakeIsOnlyCounted() {
        Failures failures = read("java.lang.NullPointerException", "com.mysql.cj.X.y(X.java:1)");

        assertThat(failures.counts()).containsOnly(entry("a request failed: java.lang.NullPointerException"));
        assertThat(failures.unexplained()).isEmpty();
    }

    /** A stage that goes on from a lost one finds the rows of before. */
    @ParameterizedTest
    @CsvSource({
        "io.idempotencykey.checkout.Checkout, 0, 0",
        "io.idempotencykey.checkout.Checkout, 9, 0",
        "io.idempotencykey.checkout.Checkout, 11, 1",
        "io.idempotencykey.checkout.Checkout, -1, 1",
        "io.idempotencykey.service.Tries, 0, 1"
    })
    void whatTheShopThrowsSoonAfterAPromotionIsOnlyCounted(String thrower, int secondsAfter, int unexplained) {
        Instant promoted = LocalDateTime.parse("2026-11-27T11:46:01.515")
                .atZone(ZoneId.systemDefault())
                .toInstant()
                .minusSeconds(secondsAfter);

        Failures failures = read(
                "java.util.NoSuchElementException: No value present",
                thrower + ".placeOrder(Checkout.java:1)",
                List.of(new Checker.Promotion(promoted, promoted)));

        assertThat(failures.counts()).containsOnly(entry("a request failed: java.util.NoSuchElementException"));
        assertThat(failures.unexplained()).hasSize(unexplained);
    }

    @Test
    void anExceptionOfACompletionIsCounted() {
        Failures failures = Failures.of(
                List.of("2026-11-27 11:46:06.410 [idempotencykey-background] WARN io.idempotencykey -"
                        + " CompletionFailed[IdempotencyKey[key-b212…, locked at started, attempt 1],"
                        + " io.idempotencykey.IdempotencyException$StoreUnavailable]"),
                List.of());

        assertThat(failures.counts())
                .containsOnly(entry("a completion failed: io.idempotencykey.IdempotencyException$StoreUnavailable"));
    }

    @Test
    void halfALineOfAShopThatWasKilledIsNone() {
        Failures failures = Failures.of(List.of(FAILED.substring(0, 40), FAILED), List.of());

        assertThat(failures.counts()).isEmpty();
    }

    private static Map.Entry<String, Long> entry(String what) {
        return Map.entry(what, 1L);
    }
}
