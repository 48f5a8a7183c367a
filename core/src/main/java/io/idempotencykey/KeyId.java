package io.idempotencykey;

import io.idempotencykey.internal.Arguments;
import java.io.Serializable;
import org.jspecify.annotations.Nullable;

/**
 * The identity of an idempotency key: the client's value, within a scope that separates tenants, users or endpoints.
 *
 * <p>Both parts are compared character by character: {@code abc} and {@code ABC} are two keys.
 *
 * @param scope 0 to 255 visible ASCII characters ({@code '!'} to {@code '~'}); one scope's keys never meet another's
 * @param value 1 to 255 visible ASCII characters
 */
public record KeyId(String scope, String value) implements Serializable {
    /** The most characters that a scope or a value may have. */
    public static final int MAX_LENGTH = 255;

    /** What doesn't stand in a key without quotes. */
    private static final String SEPARATORS = ",;\"\\ \t";

    private static final String VISIBLE_ASCII = " visible ASCII characters ('!' to '~')";

    /**
     * Checks both parts.
     *
     * @throws IdempotencyException.InvalidKey if one of them has an illegal character or length
     */
    public KeyId {
        Arguments.required(scope, "scope");
        Arguments.required(value, "value");
        if (!Arguments.isVisible(MAX_LENGTH, scope)) {
            throw new IdempotencyException.InvalidKey(
                    Arguments.refusal("scope", scope, "0 to " + MAX_LENGTH + VISIBLE_ASCII));
        }
        if (value.isEmpty() || !Arguments.isVisible(MAX_LENGTH, value)) {
            throw new IdempotencyException.InvalidKey(
                    Arguments.refusalOfSecret("value", value, "1 to " + MAX_LENGTH + VISIBLE_ASCII));
        }
    }

    /**
     * Names a key of the empty scope.
     *
     * @param value 1 to 255 visible ASCII characters
     * @return the key's identity
     * @throws IdempotencyException.InvalidKey if the value has an illegal character or length
     */
    public static KeyId of(String value) {
        return new KeyId("", value);
    }

    /**
     * Names a key.
     *
     * @param scope 0 to 255 visible ASCII characters
     * @param value 1 to 255 visible ASCII characters
     * @return the key's identity
     * @throws IdempotencyException.InvalidKey if one of them has an illegal character or length
     */
    public static KeyId of(String scope, String value) {
        return new KeyId(scope, value);
    }

    /**
     * Reads the value of an {@code Idempotency-Key} header.
     *
     * <p>The value is a quoted string as in the IETF's draft-ietf-httpapi-idempotency-key-header (a Structured Field
     * String of RFC 9651, section 3.3.3), or the same key without quotes, as common clients send it.
     *
     * <p>It holds one key. Whatever follows the closing quote is refused, be it parameters or a second key. A key
     * without quotes has no comma and no semicolon, which would begin such, no blank, no double quote and no backslash;
     * any other visible ASCII character is legal, such as those of Base64 and the colon. So two header lines that a
     * proxy has joined ({@code K,K}) are not taken for another key, and neither is a key that lost its opening quote:
     * its request would run twice.
     *
     * @param scope 0 to 255 visible ASCII characters
     * @param header the header's value as received; {@code null} if the request has no such header
     * @return the key's identity
     * @throws IdempotencyException.InvalidKey if there is no header, or it holds no legal key or more than one
     */
    public static KeyId fromHeader(String scope, @Nullable String header) {
        if (header == null) {
            throw new IdempotencyException.InvalidKey(
                    "the request has no idempotency key; send one in the Idempotency-Key header");
        }
        String field = strip(header);
        if (field.startsWith("\"")) {
            return new KeyId(scope, unquote(field));
        }
        if (!Arguments.all(field, c -> SEPARATORS.indexOf(c) < 0)) {
            throw badHeader(field);
        }
        return new KeyId(scope, field);
    }

    private static String strip(String header) {
        int from = 0;
        int to = header.length();
        while (from < to && isBlank(header.charAt(from))) {
            from++;
        }
        while (to > from && isBlank(header.charAt(to - 1))) {
            to--;
        }
        return header.substring(from, to);
    }

    private static boolean isBlank(char c) {
        return c == ' ' || c == '\t';
    }

    private static String unquote(String field) {
        StringBuilder value = new StringBuilder();
        int i = 1;
        while (i < field.length() && field.charAt(i) != '"') {
            char c = field.charAt(i++);
            if (c == '\\') {
                if (i == field.length() || (field.charAt(i) != '"' && field.charAt(i) != '\\')) {
                    throw badHeader(field);
                }
                c = field.charAt(i++);
            }
            value.append(c);
        }
        if (i != field.length() - 1) {
            throw badHeader(field);
        }
        return value.toString();
    }

    private static IdempotencyException.InvalidKey badHeader(String field) {
        return new IdempotencyException.InvalidKey(Arguments.refusalOfSecret(
                "Idempotency-Key",
                field,
                "one key: a quoted string in which only '\\\"' and '\\\\' are escaped, with nothing after it, or,"
                        + " without quotes, visible ASCII characters other than ',', ';', '\"' and '\\'"));
    }

    /** Returns scope and value, the value cut to eight characters since it may be a secret. */
    @Override
    public String toString() {
        int most = Arguments.SHOWN_OF_SECRETS;
        String shown = value.length() > most ? value.substring(0, most) + "…" : value;
        return scope.isEmpty() ? shown : scope + "/" + shown;
    }
}
