package io.idempotencykey;

import io.idempotencykey.internal.Arguments;
import java.io.InvalidObjectException;
import java.io.ObjectInputStream;
import java.io.Serializable;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * What a caller gets: status, headers and body; a replay gets the same, byte for byte.
 *
 * <p>Immutable; bodies are copied on the way in and out. Limits: a status of 200 to 599, since one below 200 ends no
 * request; the statuses 204, 205 and 304 have no body (RFC 9110, section 15); header names are HTTP tokens of at most
 * 256 characters and are compared without regard to case; header values are visible ASCII characters, spaces and tabs;
 * all headers together have at most 65,536 characters. Of what is stored, the service limits the body and the headers
 * further.
 */
public final class Response implements Serializable {
    private static final long serialVersionUID = 1L;

    private static final int MAX_HEADER_CHARACTERS = 65_536;

    private static final Set<Integer> WITHOUT_BODY = Set.of(204, 205, 304);

    private final transient int status;
    private final transient Map<String, List<String>> headers;
    private final transient byte[] body;

    private Response(int status, Map<String, List<String>> headers, byte[] body) {
        this.status = status;
        this.headers = headers;
        this.body = body;
    }

    /**
     * A response with a body and no headers.
     *
     * @param status 200 to 599
     * @param body copied; may be empty, and has to be with the statuses 204, 205 and 304
     * @return the response
     * @throws IllegalArgumentException if the status is out of bounds, or the body isn't empty where it has to be
     */
    public static Response of(int status, byte[] body) {
        Arguments.between(200, 599, status, "status");
        return new Response(
                status,
                Map.of(),
                checkBody(status, Arguments.required(body, "body").clone()));
    }

    /**
     * A response with a text in UTF-8 as its body and a {@code Content-Type}.
     *
     * @param status 200 to 599
     * @param contentType such as {@code application/json}
     * @param body the text, without unpaired surrogates; may be empty, and has to be with the statuses 204, 205 and 304
     * @return the response
     * @throws IllegalArgumentException if one of them is illegal
     */
    public static Response of(int status, String contentType, String body) {
        Arguments.between(200, 599, status, "status");
        headerValue(contentType, "contentType");
        if (contentType.isBlank()) {
            throw Arguments.refused("contentType", contentType, "a media type, such as application/json");
        }
        byte[] bytes = Arguments.required(body, "body").getBytes(StandardCharsets.UTF_8);
        // What reads the same in Latin-1 is ASCII. To compare takes little time, whatever the compiler has inlined; to
        // look at each character of a megabyte may take a millisecond.
        if (!body.equals(new String(bytes, StandardCharsets.ISO_8859_1)) && !Arguments.isWellFormed(body)) {
            throw Arguments.refusedSecret("body", body, "text without unpaired surrogates");
        }
        return new Response(status, Map.of(), checkBody(status, bytes)).withHeader("Content-Type", contentType);
    }

    /** A body with such a status would be taken for the beginning of the next response. */
    private static byte[] checkBody(int status, byte[] body) {
        if (body.length > 0 && WITHOUT_BODY.contains(status)) {
            throw Arguments.refused("body", body.length + " bytes", "none with the status " + status);
        }
        return body;
    }

    /**
     * Restores a response that a store kept; for storage adapters. Takes what an earlier version stored, too: a status
     * of 100 to 199, and a body with any status.
     *
     * @param status as it was stored
     * @param headersJson what {@link #headersJson()} gave, in this or another spelling of the same JSON
     * @param body as it was stored
     * @return the response
     * @throws IllegalArgumentException if the headers aren't what {@link #headersJson()} gives, or the status is less
     *     than 100 or more than 599
     */
    public static Response restored(int status, String headersJson, byte[] body) {
        // Not by of, whose checks came later than the first keys that were stored.
        Arguments.between(100, 599, status, "status");
        Arguments.required(body, "body");
        // Not by withHeader, which copies what there is already.
        Map<String, List<String>> headers = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
        long characters = 0;
        for (Map.Entry<String, @Nullable Object> header : Json.read(
                        Arguments.required(headersJson, "headersJson"), "headersJson")
                .entrySet()) {
            if (!(header.getValue() instanceof List<?> values) || values.isEmpty()) {
                throw notAList(headersJson);
            }
            for (Object value : values) {
                if (!(value instanceof String text)) {
                    throw notAList(headersJson);
                }
                checkHeader(header.getKey(), text);
                characters += header.getKey().length() + text.length();
                if (characters > MAX_HEADER_CHARACTERS) {
                    throw tooLong(text);
                }
                headers.computeIfAbsent(header.getKey(), name -> new ArrayList<>())
                        .add(text);
            }
        }
        headers.replaceAll((name, values) -> List.copyOf(values));
        return new Response(status, Collections.unmodifiableMap(headers), body.clone());
    }

    private static IllegalArgumentException notAList(String headersJson) {
        return Arguments.refusedSecret("headersJson", headersJson, "a list of strings for each name");
    }

    /**
     * The same response with one more header; a name that it has already gets one more value.
     *
     * @param name an HTTP token of at most 256 characters
     * @param value visible ASCII characters, spaces and tabs
     * @return the new response
     * @throws IllegalArgumentException if one of them is illegal, or the headers become too long
     */
    public Response withHeader(String name, String value) {
        checkHeader(name, value);
        Map<String, List<String>> more = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
        more.putAll(headers);
        List<String> values = new ArrayList<>(more.getOrDefault(name, List.of()));
        values.add(value);
        more.put(name, List.copyOf(values));
        if (characters(more) > MAX_HEADER_CHARACTERS) {
            throw tooLong(value);
        }
        return new Response(status, Collections.unmodifiableMap(more), body);
    }

    private static void checkHeader(String name, String value) {
        Arguments.required(name, "name");
        headerValue(value, "value");
        if (name.isEmpty() || name.length() > 256 || !Arguments.all(name, Response::isTokenCharacter)) {
            throw Arguments.refused("name", name, "an HTTP token of 1 to 256 characters");
        }
    }

    private static IllegalArgumentException tooLong(String value) {
        return Arguments.refusedSecret(
                "value", value, "headers of together at most " + MAX_HEADER_CHARACTERS + " characters");
    }

    private static int characters(Map<String, List<String>> headers) {
        int characters = 0;
        for (Map.Entry<String, List<String>> header : headers.entrySet()) {
            for (String value : header.getValue()) {
                characters += header.getKey().length() + value.length();
            }
        }
        return characters;
    }

    private static void headerValue(String value, String argument) {
        Arguments.required(value, argument);
        if (!Arguments.all(value, c -> c == '\t' || (c >= ' ' && c <= '~'))) {
            throw Arguments.refusedSecret(argument, value, "visible ASCII characters, spaces and tabs");
        }
    }

    private static boolean isTokenCharacter(int c) {
        // RFC 9110, section 5.6.2.
        return (c >= '0' && c <= '9')
                || (c >= 'A' && c <= 'Z')
                || (c >= 'a' && c <= 'z')
                || "!#$%&'*+-.^_`|~".indexOf(c) >= 0;
    }

    /**
     * The status.
     *
     * @return 200 to 599; less only if an earlier version stored it
     */
    public int status() {
        return status;
    }

    /**
     * The headers.
     *
     * @return an immutable map that finds names without regard to case
     */
    public Map<String, List<String>> headers() {
        return headers;
    }

    /**
     * A header's first value.
     *
     * @param name in any case
     * @return the value; {@code null} if there is no such header
     */
    public @Nullable String header(String name) {
        List<String> values = headers.get(Arguments.required(name, "name"));
        return values == null ? null : values.get(0);
    }

    /**
     * The headers as JSON, for storage adapters.
     *
     * @return one JSON object with a list of strings for each name
     */
    public String headersJson() {
        return Json.write(headers, "headers");
    }

    /**
     * The body.
     *
     * @return a copy
     */
    public byte[] body() {
        return body.clone();
    }

    /**
     * The body's length.
     *
     * @return in bytes
     */
    public int bodyLength() {
        return body.length;
    }

    /** Responses are equal if status, headers (names without regard to case) and body are. */
    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof Response that
                && status == that.status
                && lowerCase(headers).equals(lowerCase(that.headers))
                && Arrays.equals(body, that.body);
    }

    @Override
    public int hashCode() {
        return Objects.hash(status, lowerCase(headers), Arrays.hashCode(body));
    }

    private static Map<String, List<String>> lowerCase(Map<String, List<String>> headers) {
        Map<String, List<String>> lower = new TreeMap<>();
        headers.forEach((name, values) -> lower.put(name.toLowerCase(Locale.ROOT), values));
        return lower;
    }

    /** Serializes what stores keep, which is checked when it is read. */
    private Object writeReplace() {
        return new Serialized(status, headersJson(), body);
    }

    private void readObject(ObjectInputStream in) throws InvalidObjectException {
        throw new InvalidObjectException("a response is read as it was written, by way of what stores keep of it");
    }

    /** A response as it is serialized. */
    private static final class Serialized implements Serializable {
        private static final long serialVersionUID = 1L;

        private final int status;
        private final String headersJson;
        private final byte[] body;

        Serialized(int status, String headersJson, byte[] body) {
            this.status = status;
            this.headersJson = headersJson;
            this.body = body;
        }

        private Object readResolve() {
            return restored(status, headersJson, body);
        }
    }

    /** Returns the status and the body's length; never headers or body. */
    @Override
    public String toString() {
        return "Response[" + status + ", " + body.length + " bytes]";
    }
}
