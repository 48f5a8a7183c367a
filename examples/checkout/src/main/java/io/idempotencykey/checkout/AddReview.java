package io.idempotencykey.checkout;

import io.idempotencykey.Parameters;
import io.idempotencykey.Request;
import io.idempotencykey.checkout.http.Json;
import io.idempotencykey.checkout.http.Problem;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** The request to add a review. It is checked before its key is taken. */
record AddReview(long stars, String text) {
    private static final int MOST_STARS = 5;
    private static final int MAX_TEXT = 500;
    private static final Pattern SKU = Pattern.compile("[A-Za-z0-9_-]{1,64}");
    private static final Pattern TEXT = Pattern.compile("\\P{Cntrl}{1," + MAX_TEXT + "}");
    private static final String PREFIX = "/articles/";
    private static final String SUFFIX = "/reviews";

    /**
     * The request as it is stored with its key; its path names the article.
     *
     * @throws Problem.Refusal with status 400 if the SKU or the body is illegal
     */
    static Request request(String sku, @Nullable Object body) {
        if (!SKU.matcher(sku).matches()) {
            throw refused("A SKU has 1 to 64 letters, digits, '_' and '-'.");
        }
        if (!(body instanceof Map<?, ?> members)) {
            throw refused("The body is a JSON object.");
        }
        try {
            Request request = Request.of("POST", PREFIX + sku + SUFFIX, Json.members(members));
            of(request);
            return request;
        } catch (IllegalArgumentException e) {
            throw refused("The body can't be used: " + e.getMessage() + ".");
        }
    }

    /** Reads a request. */
    static AddReview of(Request request) {
        Parameters body = request.typed();
        long stars = body.integer("stars");
        if (stars < 1 || stars > MOST_STARS) {
            throw refused("The member 'stars' is a whole number of 1 to " + MOST_STARS + ".");
        }
        String text = body.text("text");
        if (!TEXT.matcher(text).matches()) {
            throw refused("The member 'text' has 1 to " + MAX_TEXT + " characters, and no control characters.");
        }
        return new AddReview(stars, text);
    }

    /** The article that a request is about. */
    static String sku(Request request) {
        return request.path().substring(PREFIX.length(), request.path().length() - SUFFIX.length());
    }

    private static Problem.Refusal refused(String detail) {
        return new Problem(400, "illegal-request", "Illegal request", detail).refusal();
    }
}
