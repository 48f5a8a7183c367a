package io.idempotencykey.checkout.program;

import io.idempotencykey.KeyId;
import io.idempotencykey.Response;
import io.idempotencykey.checkout.http.Json;
import io.idempotencykey.checkout.http.Problem;
import io.idempotencykey.checkout.http.WebServer;
import io.idempotencykey.checkout.http.WebServer.Exchange;
import io.idempotencykey.checkout.http.WebServer.Route;
import io.idempotencykey.checkout.program.PaymentJournal.Charge;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Stands in for a payment provider. It charges once per {@code Idempotency-Key}, and declines over 100,000. */
final class PaymentServer implements AutoCloseable {
    private static final long MOST = 100_000;

    private final PaymentJournal journal;
    private final WebServer server;

    /** Starts the provider with the charges of the journal in the directory. */
    PaymentServer(int port, Path directory) throws IOException {
        journal = new PaymentJournal(directory);
        try {
            server = new WebServer(
                    port,
                    List.of(
                            new Route("POST", "/charges", (exchange, none) -> charge(exchange)),
                            new Route("GET", "/charges", (exchange, none) -> charges())));
        } catch (IOException e) {
            journal.close();
            throw e;
        }
    }

    URI url() {
        return server.url();
    }

    void join() throws InterruptedException {
        server.join();
    }

    @Override
    public void close() {
        server.close();
        journal.close();
    }

    private Response charge(Exchange exchange) throws IOException {
        byte[] body = exchange.body();
        String key = KeyId.fromHeader("", exchange.header("Idempotency-Key").orElse(null))
                .value();
        Object read;
        try {
            read = Json.read(body);
        } catch (Json.Malformed e) {
            throw refused(400, "malformed-json", "Malformed JSON", String.valueOf(e.getMessage()));
        }
        if (!(read instanceof Map<?, ?> members)
                || !(members.get("cart") instanceof String cart)
                || !(members.get("amount") instanceof Number amount)
                || !(amount instanceof Integer || amount instanceof Long)
                || amount.longValue() < 1) {
            throw refused(
                    400, "illegal-charge", "Illegal charge", "A charge has a 'cart' and an 'amount' of 1 or more.");
        }
        if (amount.longValue() > MOST) {
            throw refused(402, "declined", "Declined", "An amount over " + MOST + " is declined.");
        }
        Charge charge = journal.charge(key, cart, amount.longValue());
        if (!charge.cart().equals(cart) || charge.amount() != amount.longValue()) {
            throw refused(422, "key-reused", "Key reused", "The key was used for another charge.");
        }
        return Response.of(201, Json.CONTENT_TYPE, Json.write(members(charge)));
    }

    private Response charges() {
        List<Map<String, Object>> all =
                journal.charges().stream().map(PaymentServer::members).toList();
        return Response.of(200, Json.CONTENT_TYPE, Json.write(all));
    }

    private static Map<String, Object> members(Charge charge) {
        Map<String, Object> members = new LinkedHashMap<>();
        members.put("id", charge.id());
        members.put("cart", charge.cart());
        members.put("amount", charge.amount());
        return members;
    }

    private static Problem.Refusal refused(int status, String type, String title, String detail) {
        return new Problem(status, type, title, detail).refusal();
    }
}
