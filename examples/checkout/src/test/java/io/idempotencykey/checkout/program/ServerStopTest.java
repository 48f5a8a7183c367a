package io.idempotencykey.checkout.program;

import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.Response;
import io.idempotencykey.checkout.http.WebServer;
import java.io.IOException;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;

/** Uploads that end before they are complete. */
class ServerStopTest {
    private static final String HALF_A_REQUEST =
            "POST /carts HTTP/1.1\r\nHost: shop\r\nContent-Length: 20\r\n\r\n{\"half\":";

    private final CountDownLatch reading = new CountDownLatch(1);

    private WebServer server() throws IOException {
        return new WebServer(0, List.of(new WebServer.Route("POST", "/carts", (exchange, none) -> {
            reading.countDown();
            return Response.of(200, exchange.body());
        })));
    }

    private static Socket sendHalfARequest(WebServer server) throws IOException {
        Socket client = new Socket(server.url().getHost(), server.url().getPort());
        client.setSoTimeout(Math.toIntExact(Patience.LONGEST.toMillis()));
        client.getOutputStream().write(HALF_A_REQUEST.getBytes(StandardCharsets.US_ASCII));
        return client;
    }

    private static String answer(Socket client) throws IOException {
        return new String(client.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    }

    /** The client did nothing wrong, and another server may take its request. */
    @Test
    void anUploadThatTheServersStopCutsOffIsNotTheClientsMistake() throws IOException {
        try (WebServer server = server();
                Socket client = sendHalfARequest(server)) {
            Patience.await(reading);
            CompletableFuture<Void> stopped = CompletableFuture.runAsync(server::close);

            assertThat(answer(client))
                    .startsWith("HTTP/1.1 503 ")
                    .containsIgnoringCase("\r\nRetry-After: ")
                    .contains("application/problem+json", "is being stopped");
            Void unused = Patience.await(stopped);
        }
    }

    @Test
    void anUploadThatItsClientCutsOffIsTheClientsMistake() throws IOException {
        try (WebServer server = server();
                Socket client = sendHalfARequest(server)) {
            Patience.await(reading);
            client.shutdownOutput();

            assertThat(answer(client)).startsWith("HTTP/1.1 400 ");
        }
    }
}
