package io.idempotencykey.checkout.program;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** The shop's console asks who is there, and says so to the operator. */
class ConsoleServerTest {
    private static final Pattern INVITATION =
            Pattern.compile("console at (http://127\\.0\\.0\\.1:[0-9]+/keys/) for user (\\S+) with password (\\S+)");

    private final HttpClient client = HttpClient.newHttpClient();

    private HttpResponse<String> get(URI url, String name, String password) throws IOException, InterruptedException {
        return get(url, Base64.getEncoder().encodeToString((name + ":" + password).getBytes(StandardCharsets.UTF_8)));
    }

    private HttpResponse<String> get(URI url, String encoded) throws IOException, InterruptedException {
        return client.send(
                HttpRequest.newBuilder(url)
                        .header("Authorization", "Basic " + encoded)
                        .timeout(Duration.ofMinutes(2))
                        .build(),
                HttpResponse.BodyHandlers.ofString());
    }

    @Test
    void whoeverHasThePrintedPasswordMayActAndNobodyElseSeesAnything() throws Exception {
        List<String> options = List.of("--port", "0", "--store", "inmemory", "--console", "0");
        try (Application shop = new Application(Options.parse(options, Application.OPTIONS), (point, key) -> {})) {
            Matcher invitation = INVITATION.matcher(shop.console().orElseThrow().invitation());
            assertThat(invitation.matches()).isTrue();
            URI console = URI.create(invitation.group(1));
            String user = invitation.group(2);

            HttpResponse<String> page = get(console, user, invitation.group(3));
            HttpResponse<String> session = get(console.resolve("api/session"), user, invitation.group(3));
            HttpResponse<String> refused = get(console.resolve("api/session"), user, "guessed");
            HttpResponse<String> garbled = get(console.resolve("api/session"), "!!!");

            assertThat(page.body()).contains("Idempotency keys");
            assertThat(session.body()).contains("\"mayAct\":true", "\"user\":\"operator\"", "\"hasHistory\":true");
            assertThat(refused.statusCode()).isEqualTo(401);
            assertThat(garbled.statusCode()).isEqualTo(400);
        }
    }

    @Test
    void thereIsNoneUnlessItIsAskedFor() throws Exception {
        List<String> options = List.of("--port", "0", "--store", "inmemory");
        try (Application shop = new Application(Options.parse(options, Application.OPTIONS), (point, key) -> {})) {
            assertThat(shop.console()).isEmpty();
        }
    }
}
