package io.idempotencykey.samples;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** How often a payment is booked whose message comes twice. */
class PaymentsJmsTest {
    private final String account = "account " + UUID.randomUUID();
    private final String payment = "{\"id\": \"payment-1\", \"account\": \"" + account + "\", \"amount\": 5}";
    private final String database = "spring.datasource.url=" + PostgresqlServer.newDatabase();

    @TempDir
    private Path temporary;

    private Sample start(String variant, String... properties) {
        return Sample.start(
                "payments-jms/" + variant,
                temporary,
                Stream.concat(Stream.of(database), Stream.of(properties)).toArray(String[]::new));
    }

    private void send(Sample sample) {
        assertThat(sample.post("/payments", payment).statusCode()).isEqualTo(202);
    }

    private int bookings(Sample sample) {
        return sample.count("/bookings", "account", account);
    }

    @ParameterizedTest
    @CsvSource({"before, 2", "after, 1"})
    void whatItsProducerSendsTwice(String variant, int times) throws Exception {
        try (Broker broker = new Broker(temporary);
                Sample sample = start(variant, broker.properties())) {
            send(sample);
            send(sample);
            broker.awaitAcknowledged(2);

            assertThat(bookings(sample)).isEqualTo(times);
        }
    }

    @ParameterizedTest
    @CsvSource({"before, 2", "after, 1"})
    void whoseAcknowledgementGetsLost(String variant, int times) throws Exception {
        try (Broker broker = new Broker(temporary);
                Sample sample = start(variant, broker.properties())) {
            broker.loseAcknowledgement(() -> bookings(sample) == 1);
            send(sample);
            broker.awaitAcknowledged(1);

            assertThat(broker.deliveries()).isEqualTo(2);
            assertThat(bookings(sample)).isEqualTo(times);
        }
    }

    @ParameterizedTest
    @CsvSource({"before, 2", "after, 1"})
    void whoseConsumerIsKilledBeforeItAcknowledges(String variant, int times) throws Exception {
        try (Broker broker = new Broker(temporary)) {
            try (Sample sample = start(variant, broker.properties())) {
                CountDownLatch killed = new CountDownLatch(1);
                broker.loseAcknowledgement(() -> {
                    boolean isBooked = bookings(sample) == 1;
                    if (isBooked) {
                        sample.kill();
                        killed.countDown();
                    }
                    return isBooked;
                });
                send(sample);
                assertThat(killed.await(Patience.LONGEST.toSeconds(), TimeUnit.SECONDS))
                        .isTrue();
            }
            try (Sample sample = start(variant, broker.properties())) {
                broker.awaitAcknowledged(1);

                assertThat(broker.deliveries()).isEqualTo(2);
                assertThat(bookings(sample)).isEqualTo(times);
            }
        }
    }

    /** Its embedded broker is part of the process. */
    @Test
    void inTheApplicationAsItComes() throws Exception {
        String marker = "marker " + account;
        try (Sample sample = start("after")) {
            send(sample);
            send(sample);
            sample.post("/payments", "{\"id\": \"payment-2\", \"account\": \"" + marker + "\", \"amount\": 5}");
            Patience.await("the last is booked", () -> sample.count("/bookings", "account", marker) == 1);

            assertThat(bookings(sample)).isEqualTo(1);
        }
    }
}
