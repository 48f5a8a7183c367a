package io.idempotencykey.checkout.program;

import static io.idempotencykey.checkout.program.RunningShop.ONE_MUG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.idempotencykey.Response;
import io.idempotencykey.checkout.Payments;
import io.idempotencykey.checkout.http.WebServer;
import io.idempotencykey.checkout.http.WebServer.Route;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The payment provider when it is down, slow or confused, and its journal after a crash. */
class PaymentsTest {
    @TempDir
    Path directory = Path.of("");

    @Test
    void aProviderThatIsDownIsRetriedByTheNextAttempt() throws IOException {
        PaymentServer provider = new PaymentServer(0, directory);
        URI url = provider.url();
        provider.close();
        try (RunningShop shop = new RunningShop((point, key) -> {}, "--payments", url.toString())) {
            HttpResponse<String> down = shop.complete("cart", "key", ONE_MUG);
            assertUnavailable(down);
            assertThat(shop.get("/payments").statusCode()).isEqualTo(503);
            assertThat(shop.get("/keys/key").body())
                    .contains("\"recoveryPoint\":\"tax_lines_created\"", "\"locked\":false");
            try (PaymentServer restarted = new PaymentServer(url.getPort(), directory)) {
                assertThat(restarted.url()).isEqualTo(url);
                assertThat(shop.complete("cart", "key", ONE_MUG).statusCode()).isEqualTo(201);
                assertThat(shop.count("/payments", "cart")).isEqualTo(1);
            }
        }
    }

    @Test
    void aChargeWhoseAnswerWasLostIsNotMadeAgain() throws IOException {
        AtomicInteger calls = new AtomicInteger();
        try (PaymentJournal journal = new PaymentJournal(directory);
                WebServer provider = provider((exchange, none) -> {
                    String key = exchange.header("Idempotency-Key").orElseThrow();
                    PaymentJournal.Charge charge = journal.charge(key, "cart", 1500);
                    return calls.incrementAndGet() == 1
                            ? Response.of(502, "text/html", "<h1>lost</h1>")
                            : Response.of(201, "application/json", "{\"id\":\"" + charge.id() + "\"}");
                });
                RunningShop shop = new RunningShop((point, key) -> {}, "--payments", provider.url() + "/")) {
            assertUnavailable(shop.complete("cart", "key", ONE_MUG));
            HttpResponse<String> second = shop.complete("cart", "key", ONE_MUG);
            assertThat(second.statusCode()).isEqualTo(201);
            assertThat(journal.charges())
                    .singleElement()
                    .satisfies(charge -> assertThat(second.body()).contains(charge.id()));
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "200 | <html>",
                "201 | {}",
                "201 | {\"id\":7}",
                "201 | {\"id\":\"\"}",
                "201 | [\"ch_1\"]",
                "202 | {\"id\":\"ch_1\"}",
                "302 | {\"id\":\"ch_1\"}",
                "400 | {\"id\":\"ch_1\"}",
                "500 | {\"id\":\"ch_1\"}"
            })
    void anAnswerThatIsNotUnderstoodChargesNobodyAndIsTriedAgain(int status, String body) throws IOException {
        AtomicReference<Response> answer = new AtomicReference<>(Response.of(status, "application/json", body));
        try (WebServer provider = provider((exchange, none) -> Objects.requireNonNull(answer.get()));
                RunningShop shop = new RunningShop(
                        (point, key) -> {}, "--payments", provider.url().toString())) {
            assertUnavailable(shop.complete("cart", "key", ONE_MUG));
            answer.set(Response.of(201, "application/json", "{\"id\":\"ch_2\"}"));
            assertThat(shop.complete("cart", "key", ONE_MUG).body()).contains("\"payment\":\"ch_2\"");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{\"id\":"})
    void aProviderThatFallsSilentIsUnavailable(String sent) throws IOException {
        try (ServerSocket silent = new ServerSocket(0, 10, InetAddress.getLoopbackAddress())) {
            CompletableFuture<Void> unused = CompletableFuture.runAsync(() -> {
                try (Socket socket = silent.accept()) {
                    socket.getOutputStream().write(sent.getBytes(StandardCharsets.US_ASCII));
                    socket.getInputStream().readAllBytes();
                } catch (IOException e) {
                    // The shop has given up, on a busy machine even before it has connected.
                }
            });
            HttpPayments payments =
                    new HttpPayments(URI.create("http://127.0.0.1:" + silent.getLocalPort()), Duration.ofMillis(300));
            assertThatExceptionOfType(Payments.Unavailable.class)
                    .isThrownBy(() -> payments.charge("key", "cart", 1500));
        }
    }

    @Test
    void aRestartedProviderKnowsItsChargesButNotHalfALine() throws IOException {
        PaymentJournal.Charge first;
        try (PaymentJournal journal = new PaymentJournal(directory)) {
            first = journal.charge("key-1", "cart", 100);
            assertThat(journal.charge("key-1", "cart", 100)).isEqualTo(first);
        }
        Files.writeString(file(), "{\"id\":\"ch_torn\",\"ke", StandardOpenOption.APPEND);
        PaymentJournal.Charge second;
        try (PaymentJournal journal = new PaymentJournal(directory)) {
            assertThat(journal.charges()).containsExactly(first);
            second = journal.charge("key-2", "cart", 200);
        }
        try (PaymentJournal journal = new PaymentJournal(directory)) {
            assertThat(journal.charges()).containsExactly(first, second);
        }
    }

    @Test
    void aJournalThatIsInUseOrNotAJournalIsRefused() throws IOException {
        try (PaymentJournal journal = new PaymentJournal(directory)) {
            assertThat(journal.charges()).isEmpty();
            assertThatExceptionOfType(IOException.class)
                    .isThrownBy(() -> new PaymentJournal(directory))
                    .withMessageContaining("in use");
        }
        Files.writeString(file(), "{\"id\":1}\n");
        assertThatExceptionOfType(IOException.class)
                .isThrownBy(() -> new PaymentJournal(directory))
                .withMessageContaining("isn't a charge");
    }

    private Path file() {
        return directory.resolve("payments.journal");
    }

    private static WebServer provider(WebServer.Action charge) throws IOException {
        return new WebServer(0, List.of(new Route("POST", "/charges", charge)));
    }

    private static void assertUnavailable(HttpResponse<String> response) {
        assertThat(response.statusCode()).isEqualTo(503);
        assertThat(response.headers().firstValue("Retry-After")).hasValue("1");
        assertThat(response.headers().firstValue("Content-Type")).hasValue("application/problem+json");
        assertThat(response.body()).doesNotContain("Exception");
    }
}
