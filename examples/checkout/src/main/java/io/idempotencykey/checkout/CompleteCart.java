package io.idempotencykey.checkout;

import io.idempotencykey.Parameters;
import io.idempotencykey.Request;
import io.idempotencykey.checkout.http.Json;
import io.idempotencykey.checkout.http.Problem;
import java.math.BigDecimal;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** The request to complete a cart. It is checked before its key is created, and read again from the stored request. */
public record CompleteCart(String email, List<Item> items) {
    private static final int MAX_ITEMS = 1_000;
    private static final Pattern CART = Pattern.compile("[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}");
    private static final Pattern EMAIL = Pattern.compile("[^@\\s\\p{Cntrl}]{1,64}@[^@\\s\\p{Cntrl}]{1,189}");
    private static final String PREFIX = "/carts/";
    private static final String SUFFIX = "/complete";

    /** One SKU and its quantity. The first stage checks whether the shop sells it. */
    record Item(String sku, BigDecimal quantity) {
        boolean hasLegalQuantity() {
            return quantity.compareTo(BigDecimal.ONE) >= 0
                    && quantity.compareTo(BigDecimal.valueOf(1000)) <= 0
                    && quantity.stripTrailingZeros().scale() <= 0;
        }
    }

    /**
     * The request as it is stored with its key; its path names the cart.
     *
     * @throws Problem.Refusal with status 400 if the cart's name or the body is illegal
     */
    public static Request request(String cart, @Nullable Object body) {
        if (!CART.matcher(cart).matches()) {
            throw refused("A cart's name has 1 to 100 letters, digits, '_', '-' and '.', and no '.' at the beginning.");
        }
        if (!(body instanceof Map<?, ?> members)) {
            throw refused("The body is a JSON object.");
        }
        try {
            Request request = Request.of("POST", PREFIX + cart + SUFFIX, Json.members(members));
            of(request);
            return request;
        } catch (IllegalArgumentException e) {
            // The library says which parameter is missing or of the wrong type, or which of its limits was passed.
            throw refused("The body can't be used: " + e.getMessage() + ".");
        }
    }

    /** Reads a request. */
    static CompleteCart of(Request request) {
        Parameters body = request.typed();
        String email = body.text("email");
        if (!EMAIL.matcher(email).matches()) {
            throw refused("The member 'email' is an address such as ada@example.org.");
        }
        List<Item> items = body.objects("items").stream()
                .map(item -> new Item(item.text("sku"), item.decimal("quantity")))
                .toList();
        if (items.isEmpty() || items.size() > MAX_ITEMS) {
            throw refused("The member 'items' is an array of 1 to " + MAX_ITEMS + " items.");
        }
        return new CompleteCart(email, items);
    }

    /** The name of the cart that a request is about. */
    static String cart(Request request) {
        return request.path().substring(PREFIX.length(), request.path().length() - SUFFIX.length());
    }

    private static Problem.Refusal refused(String detail) {
        return new Problem(400, "illegal-request", "Illegal request", detail).refusal();
    }
}
