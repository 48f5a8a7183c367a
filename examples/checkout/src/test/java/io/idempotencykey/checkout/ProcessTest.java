package io.idempotencykey.checkout;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.io.BufferedReader;
import java.io.IOException;
import java.net.ConnectException;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The program as a process of its own: its output, its exit codes, its end. */
class ProcessTest {
    private final HttpClient client =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    @TempDir
    Path directory = Path.of("");

    @Test
    void theDemoEndsWell() throws Exception {
        Process demo = start("demo");
        String output = new String(demo.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(output).contains("As it should be").doesNotContain("WRONG");
        assertThat(demo.waitFor()).isZero();
    }

    @Test
    void theDemoFailsIfItsTableIsWrong() throws Exception {
        try (PaymentJournal journal = new PaymentJournal(directory)) {
            journal.charge("a charge too many", "cart-1", 100);
        }
        Process demo = start("demo", "--data", directory.toString());
        String output = new String(demo.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(demo.waitFor()).isEqualTo(1);
        assertThat(output).contains("WRONG: it isn't so that cart-1 is charged once");
    }

    @Test
    void aStopRefusesNewRequestsAndLetsRunningOnesEnd() throws Exception {
        Process serve = start("serve", "--port", "0", "--stage-delay", "500ms");
        URI url = listening(serve);
        HttpRequest request = HttpRequest.newBuilder(url.resolve("/carts/cart/complete"))
                .header("Idempotency-Key", "key")
                .POST(HttpRequest.BodyPublishers.ofString(RunningShop.ONE_MUG))
                .build();
        CompletableFuture<HttpResponse<String>> running =
                client.sendAsync(request, HttpResponse.BodyHandlers.ofString());
        HttpRequest key = HttpRequest.newBuilder(url.resolve("/keys/key")).build();
        while (client.send(key, HttpResponse.BodyHandlers.ofString()).statusCode() == 404) {
            Thread.onSpinWait();
        }
        serve.destroy();
        while (isAccepting(url)) {
            Thread.onSpinWait();
        }
        HttpResponse<String> response = running.get(30, TimeUnit.SECONDS);
        assertThat(response.statusCode()).isEqualTo(201);
        assertThat(serve.waitFor()).isZero();
    }

    private static boolean isAccepting(URI url) throws IOException {
        try (Socket socket = new Socket(url.getHost(), url.getPort())) {
            return socket.isConnected();
        } catch (ConnectException e) {
            return false;
        }
    }

    @Test
    void theProviderKeepsItsChargesThroughAKill() throws Exception {
        String charge = "{\"cart\":\"cart\",\"amount\":100}";
        String first;
        Process provider = start("payments", "--data", directory.toString());
        try {
            first = charge(listening(provider), charge);
        } finally {
            provider.destroyForcibly().waitFor();
        }
        Process restarted = start("payments", "--data=" + directory);
        try {
            URI url = listening(restarted);
            assertThat(charge(url, charge)).isEqualTo(first);
            HttpRequest list = HttpRequest.newBuilder(url.resolve("/charges")).build();
            assertThat(client.send(list, HttpResponse.BodyHandlers.ofString()).body())
                    .isEqualTo("[" + first + "]");
            Process second = start("payments", "--data", directory.toString());
            assertThat(second.onExit().orTimeout(20, TimeUnit.SECONDS).join().exitValue())
                    .isEqualTo(1);
            assertThat(Files.readString(errors())).contains("is in use by another process");
        } finally {
            restarted.destroyForcibly().waitFor();
        }
    }

    private String charge(URI provider, String charge) throws IOException, InterruptedException {
        HttpRequest request = HttpRequest.newBuilder(provider.resolve("/charges"))
                .header("Idempotency-Key", "\"key\"")
                .POST(HttpRequest.BodyPublishers.ofString(charge))
                .build();
        return client.send(request, HttpResponse.BodyHandlers.ofString()).body();
    }

    @Test
    void aRequestWhoseClientIsGoneIsCompletedInTheBackground() throws Exception {
        Process serve = start("serve", "--port", "0", "--fail-at", "payment_authorized:1");
        try {
            URI url = listening(serve);

            assertThat(complete(url).statusCode()).isEqualTo(500);
            HttpRequest key = HttpRequest.newBuilder(url.resolve("/keys/key")).build();
            while (!client.send(key, HttpResponse.BodyHandlers.ofString())
                    .body()
                    .contains("finished")) {
                Thread.onSpinWait();
            }

            HttpResponse<String> late = complete(url);
            assertThat(late.statusCode()).isEqualTo(201);
            assertThat(late.headers().firstValue("Idempotency-Replayed")).contains("true");
        } finally {
            serve.destroyForcibly().waitFor();
        }
    }

    @Test
    void aRequestThatFailsTooOftenIsQuarantined() throws Exception {
        Process serve = start("serve", "--port", "0", "--fail-at", "payment_authorized:9", "--attempts", "1");
        try {
            URI url = listening(serve);

            assertThat(complete(url).statusCode()).isEqualTo(500);
            HttpResponse<String> refused = complete(url);

            assertThat(refused.statusCode()).isEqualTo(409);
            assertThat(refused.body()).contains("quarantined").doesNotContain("--fail-at");
        } finally {
            serve.destroyForcibly().waitFor();
        }
    }

    private HttpResponse<String> complete(URI url) throws IOException, InterruptedException {
        HttpRequest request = HttpRequest.newBuilder(url.resolve("/carts/cart/complete"))
                .header("Idempotency-Key", "key")
                .POST(HttpRequest.BodyPublishers.ofString(RunningShop.ONE_MUG))
                .build();
        return client.send(request, HttpResponse.BodyHandlers.ofString());
    }

    @Test
    void aStoreThatIsNotThereYetEndsWithStatusTwo() throws Exception {
        Process process = start("serve", "--store", "jpa");
        assertThat(process.waitFor()).isEqualTo(2);
        assertThat(Files.readString(errors()))
                .startsWith("checkout: --store jpa")
                .contains("usage: run demo");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "sell",
                "serve --store mongo",
                "serve --store disk",
                "serve --port 65536",
                "serve --port",
                "serve --port 0 --lease 0s",
                "serve --port 0 --lease 1",
                "serve --port 0 --ttl 99999d",
                "serve --payments somewhere",
                "serve --port 0 --attempts 0",
                "serve --port 0 --fail-at started",
                "serve --port 0 --fail-at started:x",
                "serve --port 0 --port 0",
                "payments --lease 1s",
                "demo now"
            })
    void aWrongCommandLineIsRefused(String arguments) {
        List<String> words = arguments.isEmpty() ? List.of() : List.of(arguments.split(" "));
        assertThatExceptionOfType(Options.Refused.class).isThrownBy(() -> Main.run(words));
    }

    private Process start(String... arguments) throws IOException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-cp",
                System.getProperty("java.class.path"),
                "io.idempotencykey.checkout.Main"));
        command.addAll(List.of(arguments));
        return new ProcessBuilder(command).redirectError(errors().toFile()).start();
    }

    private Path errors() {
        return directory.resolve("errors.txt");
    }

    private static URI listening(Process process) throws IOException {
        BufferedReader output = process.inputReader(StandardCharsets.UTF_8);
        String line = output.readLine();
        assertThat(line).matches("listening on http://127\\.0\\.0\\.1:[0-9]+");
        return URI.create(line.substring("listening on ".length()));
    }
}
