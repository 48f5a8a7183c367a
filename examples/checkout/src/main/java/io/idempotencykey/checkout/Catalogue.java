package io.idempotencykey.checkout;

import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;

/** The shop's articles with their net prices in cents; the tax is 20 %. */
final class Catalogue {
    private static final int TAX_PERCENT = 20;
    private static final Map<String, Integer> PRICES = new TreeMap<>(Map.of(
            "sticker", 50, "apple", 50, "tea", 100, "pen", 150, "widget", 500, "mug", 1_250, "book", 2_000, "shirt",
            2_500, "laptop", 80_000));

    private Catalogue() {}

    /** Articles for trying things out: {@code sku-1}, {@code sku-2} and so on. */
    private static final Pattern NUMBERED = Pattern.compile("(?i)sku[-_]?[0-9]{1,9}");

    private static final int NUMBERED_PRICE = 50;

    static boolean has(String sku) {
        return PRICES.containsKey(sku) || NUMBERED.matcher(sku).matches();
    }

    /** The message for a SKU that the shop doesn't sell. */
    static String unknown(String sku) {
        String shown =
                sku.codePointCount(0, sku.length()) > 64 ? sku.substring(0, sku.offsetByCodePoints(0, 64)) + "…" : sku;
        return "There is no '" + shown + "' in the catalogue, which has " + String.join(", ", PRICES.keySet())
                + ", sku-1, sku-2 and so on.";
    }

    static TaxLine taxLine(String sku, int quantity) {
        long net = (long) PRICES.getOrDefault(sku, NUMBERED_PRICE) * quantity;
        return new TaxLine(sku, quantity, net, (net * TAX_PERCENT + 50) / 100);
    }
}
