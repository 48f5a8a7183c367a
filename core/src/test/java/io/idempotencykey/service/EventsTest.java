package io.idempotencykey.service;

import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.Fingerprint;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyCreation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyProgress;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Isolated;

@Isolated("the library's log has one handler")
class EventsTest {
    private static final IdempotencyKey KEY = key();

    private final Logger logger = Logger.getLogger("io.idempotencykey");
    private final @Nullable Level level = logger.getLevel();
    private final List<String> lines = new ArrayList<>();
    private final Handler handler = new Handler() {
        @Override
        public void publish(LogRecord line) {
            lines.add(line.getLevel() + " " + line.getMessage());
        }

        @Override
        public void flush() {}

        @Override
        public void close() {}
    };

    @BeforeEach
    void listen() {
        logger.setUseParentHandlers(false);
        logger.addHandler(handler);
        logger.setLevel(Level.FINE);
    }

    @AfterEach
    void stopListening() {
        logger.removeHandler(handler);
        logger.setUseParentHandlers(true);
        logger.setLevel(level);
    }

    @Test
    void everyEventIsLoggedWithoutSecrets() {
        Exception secret = new IllegalStateException("card 4111-secret");
        Events events = new Events(List.of());
        for (KeyEvent event : List.of(
                new KeyEvent.Created(KEY),
                new KeyEvent.StageRetried(KEY, 2, secret, Duration.ofMillis(5)),
                new KeyEvent.StageRolledBack(KEY, secret, Duration.ofMillis(5)),
                new KeyEvent.NotAnswered("pay", KEY.id(), secret, Duration.ofMillis(5)),
                new KeyEvent.Refused(new IdempotencyException.InvalidKey("a secret value")),
                new KeyEvent.Refused(new IdempotencyException.StoreUnavailable(KEY.id(), secret)),
                new KeyEvent.Quarantined(KEY),
                new KeyEvent.Expired(7, Duration.ofMillis(5)))) {
            events.emit(event);
        }

        assertThat(lines)
                .containsExactly(
                        "FINE Created[key=" + KEY + "]",
                        "FINE StageRetried[" + KEY + ", tries=2, java.lang.IllegalStateException, PT0.005S]",
                        "INFO StageRolledBack[" + KEY + ", java.lang.IllegalStateException, PT0.005S]",
                        "FINE NotAnswered[pay, " + KEY.id() + ", java.lang.IllegalStateException, PT0.005S]",
                        "FINE Refused[InvalidKey]",
                        "INFO Refused[StoreUnavailable, 12345678…]",
                        "WARNING Quarantined[key=" + KEY + "]",
                        "INFO Expired[count=7, duration=PT0.005S]")
                .noneMatch(line -> line.contains("secret"));
    }

    @Test
    void whatIsNotLoggableIsNotLogged() {
        logger.setLevel(Level.INFO);

        new Events(List.of()).emit(new KeyEvent.Created(KEY));

        assertThat(lines).isEmpty();
    }

    @Test
    void aListenerThatThrowsIsLoggedAndTheNextOneIsTold() {
        List<KeyEvent> told = new ArrayList<>();
        KeyListener broken = event -> {
            throw World.<RuntimeException>asItIs(new IOException("broken"));
        };

        new Events(List.of(broken, told::add)).emit(new KeyEvent.TakenOver(KEY));

        assertThat(told).hasSize(1);
        assertThat(lines).containsExactly("INFO TakenOver[key=" + KEY + "]", "WARNING a listener failed");
    }

    @Test
    void aLogThatFailsHarmsNothing() {
        List<KeyEvent> told = new ArrayList<>();
        Handler failing = new Handler() {
            @Override
            public void publish(LogRecord line) {
                throw new StackOverflowError(line.getMessage());
            }

            @Override
            public void flush() {}

            @Override
            public void close() {}
        };
        logger.addHandler(failing);
        try {
            new Events(List.of(
                            event -> {
                                throw new IllegalStateException("broken");
                            },
                            told::add))
                    .emit(new KeyEvent.TakenOver(KEY));
        } finally {
            logger.removeHandler(failing);
        }

        assertThat(told).hasSize(1);
    }

    @Test
    void aRefusalIsNoteworthyIfItIsTheServersTrouble() {
        assertThat(new KeyEvent.Refused(new IdempotencyException.NotFound(KEY.id())).level())
                .isEqualTo(System.Logger.Level.DEBUG);
        assertThat(new KeyEvent.Refused(new IdempotencyException.ResponseTooLarge(KEY.id(), 2, 1)).level())
                .as("500 is the server's trouble")
                .isEqualTo(System.Logger.Level.INFO);
    }

    private static IdempotencyKey key() {
        Request request = Request.of("POST", "/", Map.of("card", "4111-secret"));
        return new IdempotencyKey(
                new KeyCreation(
                        KeyId.of("12345678-secret"),
                        UUID.randomUUID(),
                        "op",
                        request,
                        Fingerprint.of("op", request),
                        Instant.EPOCH),
                new KeyProgress(
                        new KeyState.Open(RecoveryPoint.STARTED, Instant.EPOCH),
                        1,
                        1,
                        "an error with a secret",
                        Instant.EPOCH));
    }

    /** A log asks an exception for its text, and an application's may throw then. */
    @Test
    void whatCanNotBeLoggedEndsNoBackgroundWork() {
        CountDownLatch runs = new CountDownLatch(3);
        MapKeyStore store = new MapKeyStore() {
            @Override
            public int deleteExpired(Instant at, int limit) {
                runs.countDown();
                throw new AssertionError("broken");
            }
        };
        logger.setFilter(line -> {
            if (line.getThrown() != null) {
                throw new StackOverflowError("no text");
            }
            return true;
        });
        try (Background background = new IdempotencyKeyService<>(store)
                .background()
                .reapEvery(Duration.ofMillis(1))
                .start()) {
            Threads.await(runs);
            assertThat(background.isRunning()).isTrue();
        } finally {
            logger.setFilter(null);
        }
    }
}
