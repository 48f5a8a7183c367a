package io.idempotencykey.checkout;

import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.checkout.WebServer.Exchange;
import io.idempotencykey.checkout.WebServer.Route;
import io.idempotencykey.service.Execution;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import java.io.IOException;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The shop over HTTP: what a request's headers and body mean to the library, and its answers to a client. */
final class ShopServer<T> {
    private static final String KEY = "Idempotency-Key";
    private static final String SHOP = "X-Shop";

    private final IdempotencyKeyService<T> keys;
    private final Operation<T> completeCart;
    private final ShopData<T> shop;
    private final Payments payments;

    private ShopServer(IdempotencyKeyService<T> keys, Operation<T> completeCart, ShopData<T> shop, Payments payments) {
        this.keys = keys;
        this.completeCart = completeCart;
        this.shop = shop;
        this.payments = payments;
    }

    static <T> WebServer start(
            int port, IdempotencyKeyService<T> keys, Operation<T> completeCart, ShopData<T> shop, Payments payments)
            throws IOException {
        ShopServer<T> routes = new ShopServer<>(keys, completeCart, shop, payments);
        return new WebServer(
                port,
                List.of(
                        new Route("POST", "/carts/{cart}/complete", routes::complete),
                        new Route("GET", "/orders", routes::orders),
                        new Route("GET", "/payments", routes::payments),
                        new Route("GET", "/keys/{value}", routes::key)));
    }

    private Response complete(Exchange exchange, String cart) throws IOException {
        byte[] body = exchange.body();
        String header = exchange.header(KEY).orElse(null);
        KeyId id = KeyId.fromHeader(scope(exchange), header);
        Request request = CompleteCart.request(cart, read(body));
        Execution execution;
        try {
            execution = keys.run(completeCart, id, request);
        } catch (Payments.Unavailable e) {
            return unavailable(e);
        }
        Response response = execution.response().withHeader(KEY, String.valueOf(header));
        return execution.replayed() ? response.withHeader("Idempotency-Replayed", "true") : response;
    }

    private Response orders(Exchange exchange, String none) {
        return json(shop.orders().stream().map(ShopServer::members).toList());
    }

    private Response payments(Exchange exchange, String none) {
        try {
            return json(payments.charges());
        } catch (Payments.Unavailable e) {
            return unavailable(e);
        }
    }

    private Response key(Exchange exchange, String value) {
        return json(members(keys.retrieve(KeyId.of(scope(exchange), value))));
    }

    private static String scope(Exchange exchange) {
        String scope = exchange.header(SHOP).orElse("");
        KeyId.of(scope, "checked-before-the-key-so-that-the-message-is-about-the-scope");
        return scope;
    }

    private static @Nullable Object read(byte[] body) {
        try {
            return Json.read(body);
        } catch (Json.Malformed e) {
            throw new Problem(400, "malformed-json", "Malformed JSON", String.valueOf(e.getMessage())).refusal();
        }
    }

    private static Response json(Object value) {
        return Response.of(200, Json.CONTENT_TYPE, Json.write(value));
    }

    /** Nothing is stored: the key has been released, and the client's next attempt goes on where this one stopped. */
    private static Response unavailable(Payments.Unavailable e) {
        Problem problem = new Problem(
                503, "payments-unavailable", "Payments unavailable", e.getMessage() + "; send the request again later");
        return Problem.retryAfter(problem.response(), Duration.ofSeconds(1));
    }

    private static Map<String, Object> members(Order order) {
        Map<String, Object> members = new LinkedHashMap<>();
        members.put("order", order.id());
        members.put("shop", order.cart().shop());
        members.put("cart", order.cart().name());
        members.put("email", order.email());
        members.put("total", order.total());
        members.put("payment", order.payment());
        return members;
    }

    private static final KeyState.Visitor<Map<String, String>> SINCE_OR_UNTIL = new KeyState.Visitor<>() {
        @Override
        public Map<String, String> open(KeyState.Open open) {
            return Map.of();
        }

        @Override
        public Map<String, String> locked(KeyState.Locked locked) {
            return Map.of("leaseEnds", locked.leaseEnds().toString());
        }

        @Override
        public Map<String, String> failed(KeyState.Failed failed) {
            return Map.of("expiresAt", failed.expiresAt().toString());
        }

        @Override
        public Map<String, String> finished(KeyState.Finished finished) {
            return Map.of("expiresAt", finished.expiresAt().toString());
        }

        @Override
        public Map<String, String> quarantined(KeyState.Quarantined quarantined) {
            return Map.of("quarantinedAt", quarantined.since().toString());
        }
    };

    /** A key as a client may see it: its request and its errors aren't for everyone who knows its value. */
    static Map<String, Object> members(IdempotencyKey key) {
        Map<String, Object> members = new LinkedHashMap<>();
        members.put("key", key.id().value());
        members.put("shop", key.id().scope());
        members.put("operation", key.operation());
        members.put("recoveryPoint", key.recoveryPoint().name());
        members.put("locked", key.state() instanceof KeyState.Locked);
        members.put("attempts", key.attempts());
        members.put("failedAttempts", key.failedAttempts());
        members.put("createdAt", key.createdAt().toString());
        members.put("updatedAt", key.updatedAt().toString());
        members.putAll(key.state().accept(SINCE_OR_UNTIL));
        return members;
    }
}
