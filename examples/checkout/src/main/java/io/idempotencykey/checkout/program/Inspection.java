package io.idempotencykey.checkout.program;

import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.Response;
import io.idempotencykey.checkout.CheckoutRoute;
import io.idempotencykey.checkout.Order;
import io.idempotencykey.checkout.Payments;
import io.idempotencykey.checkout.Review;
import io.idempotencykey.checkout.ShopData;
import io.idempotencykey.checkout.http.Json;
import io.idempotencykey.checkout.http.WebServer.Exchange;
import io.idempotencykey.checkout.http.WebServer.Route;
import io.idempotencykey.service.IdempotencyKeyService;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Routes that show what the shop has done: orders, payments, reviews and keys. The demo and the tests check them. */
final class Inspection<T> {
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

    private final IdempotencyKeyService<T> keys;
    private final ShopData<T> shop;
    private final HttpPayments payments;

    Inspection(IdempotencyKeyService<T> keys, ShopData<T> shop, HttpPayments payments) {
        this.keys = keys;
        this.shop = shop;
        this.payments = payments;
    }

    List<Route> routes() {
        return List.of(
                new Route("GET", "/orders", this::orders),
                new Route("GET", "/payments", this::payments),
                new Route("GET", "/reviews", this::reviews),
                new Route("GET", "/keys/{value}", this::key));
    }

    private Response orders(Exchange exchange, String none) {
        return json(shop.orders().stream().map(Inspection::members).toList());
    }

    private Response reviews(Exchange exchange, String none) {
        return json(shop.reviews().stream().map(Inspection::members).toList());
    }

    private Response payments(Exchange exchange, String none) {
        try {
            return json(payments.charges());
        } catch (Payments.Unavailable e) {
            return CheckoutRoute.unavailable(e);
        }
    }

    private Response key(Exchange exchange, String value) {
        return json(members(
                keys.retrieve(KeyId.of(exchange.header(CheckoutRoute.SHOP).orElse(""), value))));
    }

    private static Response json(Object value) {
        return Response.of(200, Json.CONTENT_TYPE, Json.write(value));
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

    private static Map<String, Object> members(Review review) {
        Map<String, Object> members = new LinkedHashMap<>();
        members.put("review", review.id());
        members.put("shop", review.shop());
        members.put("sku", review.sku());
        members.put("stars", review.stars());
        members.put("text", review.text());
        return members;
    }

    /** A key without its request and its errors, which not everyone who knows the key's value may see. */
    private static Map<String, Object> members(IdempotencyKey key) {
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
