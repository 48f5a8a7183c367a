package io.idempotencykey.checkout;

import io.idempotencykey.Request;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The request to complete a cart: read from a body that is yet to be trusted, and again in each stage from the stored
 * request.
 */
record CompleteCart(String email, List<Item> items) {
    private static final int MAX_ITEMS = 1_000;
    private static final Pattern CART = Pattern.compile("[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}");
    private static final Pattern EMAIL = Pattern.compile("[^@\\s\\p{Cntrl}]{1,64}@[^@\\s\\p{Cntrl}]{1,189}");
    private static final String PREFIX = "/carts/";
    private static final String SUFFIX = "/complete";

    /** One SKU and how many of it; whether the shop has it, and so many, is the first stage's to say. */
    record Item(String sku, BigDecimal quantity) {
        boolean hasLegalQuantity() {
            return quantity.compareTo(BigDecimal.ONE) >= 0
                    && quantity.compareTo(BigDecimal.valueOf(1000)) <= 0
                    && quantity.stripTrailingZeros().scale() <= 0;
        }
    }

    /**
     * The request as it is stored with its key; the cart is part of its path.
     *
     * @throws Problem.Refusal with status 400 if the cart's name or the body isn't what this endpoint takes
     */
    static Request request(String cart, @Nullable Object body) {
        if (!CART.matcher(cart).matches()) {
            throw refused("A cart's name has 1 to 100 letters, digits, '_', '-' and '.', and no '.' at the beginning.");
        }
        Map<?, ?> members = object(body, List.of("email", "items"), "The body");
        read(members);
        try {
            return Request.of("POST", PREFIX + cart + SUFFIX, Json.members(members));
        } catch (IllegalArgumentException e) {
            // Which of the library's limits it is, only the library knows.
            throw refused("The body can't be stored: " + e.getMessage() + ".");
        }
    }

    /** What a stored request asks for. */
    static CompleteCart of(Request stored) {
        return read(stored.parameters());
    }

    /** The name of the cart that a stored request is about. */
    static String cart(Request stored) {
        return stored.path().substring(PREFIX.length(), stored.path().length() - SUFFIX.length());
    }

    private static CompleteCart read(Map<?, ?> body) {
        if (!(body.get("email") instanceof String email)
                || !EMAIL.matcher(email).matches()) {
            throw refused("The member 'email' is an address such as ada@example.org.");
        }
        if (!(body.get("items") instanceof List<?> items) || items.isEmpty() || items.size() > MAX_ITEMS) {
            throw refused("The member 'items' is an array of 1 to " + MAX_ITEMS + " items.");
        }
        return new CompleteCart(email, items.stream().map(CompleteCart::item).toList());
    }

    private static Item item(@Nullable Object item) {
        Map<?, ?> members = object(item, List.of("sku", "quantity"), "An item");
        if (!(members.get("sku") instanceof String sku)) {
            throw refused("An item's 'sku' is a string.");
        }
        return new Item(sku, number(members.get("quantity")));
    }

    private static BigDecimal number(@Nullable Object value) {
        if (value instanceof BigDecimal decimal) {
            return decimal;
        }
        if (value instanceof BigInteger integer) {
            return new BigDecimal(integer);
        }
        if (value instanceof Integer || value instanceof Long) {
            return BigDecimal.valueOf(((Number) value).longValue());
        }
        throw refused("An item's 'quantity' is a number.");
    }

    private static Map<?, ?> object(@Nullable Object value, List<String> members, String what) {
        if (!(value instanceof Map<?, ?> object) || !object.keySet().containsAll(members)) {
            throw refused(what + " is a JSON object with the members " + String.join(" and ", members) + ".");
        }
        return object;
    }

    private static Problem.Refusal refused(String detail) {
        return new Problem(400, "illegal-request", "Illegal request", detail).refusal();
    }
}
