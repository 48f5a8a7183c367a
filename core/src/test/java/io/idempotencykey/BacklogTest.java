package io.idempotencykey;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import java.time.Instant;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class BacklogTest {
    private static final Instant NOW = Instant.parse("2026-01-02T03:04:05.006Z");

    @Test
    void theLongestWaitEndsAtTheTimeOfTheCount() {
        assertThat(new Backlog(NOW, 2, Optional.of(NOW.minusMillis(61_001)), 0).longestWait())
                .hasMillis(61_001);
    }

    @Test
    void nothingWaitsForNoTime() {
        assertThat(new Backlog(NOW, 0, Optional.empty(), 7).longestWait()).isZero();
    }

    @Test
    void countsAreNeverNegative() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new Backlog(NOW, -1, Optional.empty(), 0))
                .withMessageContaining("argument 'waiting' is '-1'; allowed: 0 or more");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new Backlog(NOW, 0, Optional.empty(), -1))
                .withMessageContaining("argument 'quarantined' is '-1'; allowed: 0 or more");
    }

    @Test
    @SuppressWarnings({"NullAway", "NullOptional"})
    void nothingIsMissing() {
        assertThatNullPointerException()
                .isThrownBy(() -> new Backlog(null, 0, Optional.empty(), 0))
                .withMessageContaining("'at'");
        assertThatNullPointerException()
                .isThrownBy(() -> new Backlog(NOW, 0, null, 0))
                .withMessageContaining("'waitingSince'");
    }
}
