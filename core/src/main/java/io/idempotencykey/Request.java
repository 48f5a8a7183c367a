package io.idempotencykey;

import io.idempotencykey.internal.Arguments;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A request as far as it decides whether another one is the same: method, path and parameters.
 *
 * <p>Parameters are a JSON-like map of strings, booleans, nulls, numbers, lists and maps. They are copied and
 * normalized: every number becomes a {@link java.math.BigDecimal} without trailing zeros, so that {@code 1} and {@code
 * 1.0} are the same, and the order of a map's members doesn't matter. Text is compared as it is: two Unicode normal
 * forms of a word are different. Immutable and safe for many threads.
 *
 * <p>Limits: a method has 1 to 32 visible ASCII characters; a path 1 to 2,048 characters without control characters;
 * parameters at most {@value #MAX_DEPTH} levels of lists and maps inside the map, numbers of at most 1,000 digits with
 * exponents of at most 1,000,000, and 2,097,152 characters when written as JSON. No text may have an unpaired
 * surrogate.
 */
public final class Request {
    /** How many levels of lists and maps the parameters may have. */
    public static final int MAX_DEPTH = Json.MAX_DEPTH;

    /** How many characters a path may have. */
    public static final int MAX_PATH_LENGTH = 2048;

    private final String method;
    private final String path;
    private final String json;
    private final boolean canonical;
    private final boolean complete;
    private volatile @Nullable Map<String, @Nullable Object> parameters;

    private Request(
            String method,
            String path,
            String json,
            boolean canonical,
            boolean complete,
            @Nullable Map<String, @Nullable Object> parameters) {
        this.method = method;
        this.path = path;
        this.json = json;
        this.canonical = canonical;
        this.complete = complete;
        this.parameters = parameters;
    }

    /**
     * Describes a request.
     *
     * @param method such as {@code POST}
     * @param path the path of the resource, such as {@code /carts/42/complete}
     * @param parameters what the client asks for; copied
     * @return the request
     * @throws IllegalArgumentException if one of them passes a limit, or the parameters hold a value of another type
     */
    public static Request of(String method, String path, Map<String, ? extends @Nullable Object> parameters) {
        Arguments.required(method, "method");
        Arguments.required(path, "path");
        Arguments.required(parameters, "parameters");
        if (method.isEmpty() || !Arguments.isVisible(32, method)) {
            throw Arguments.refused("method", method, "1 to 32 visible ASCII characters");
        }
        if (path.isEmpty()
                || path.length() > MAX_PATH_LENGTH
                || !Arguments.all(path, c -> !Character.isISOControl(c))
                || !Arguments.isWellFormed(path)) {
            throw Arguments.refused("path", path, "1 to 2048 characters, none of them a control character");
        }
        Map<String, @Nullable Object> normalized = Json.normalize(parameters, "parameters");
        return new Request(method, path, Json.write(normalized, "parameters"), true, true, normalized);
    }

    /**
     * Describes a message or a job, which has no method and path.
     *
     * @param source where it comes from, such as a topic or a queue; takes the path's place
     * @param parameters what it says; copied
     * @return the request
     * @throws IllegalArgumentException as {@link #of}
     */
    public static Request ofMessage(String source, Map<String, ? extends @Nullable Object> parameters) {
        return of("MESSAGE", Arguments.required(source, "source"), parameters);
    }

    /**
     * Reads a JSON text, such as a request's body, as a value of parameters. Numbers keep their exact value.
     *
     * @param json one JSON value, which may have blanks around it
     * @return a {@link String}, {@link Boolean}, {@link java.math.BigDecimal}, {@link java.util.List}, {@link Map} or
     *     {@code null}
     * @throws IllegalArgumentException if the text isn't JSON, an object has two members of one name, or a limit of
     *     this class is passed
     */
    public static @Nullable Object jsonValue(String json) {
        return Json.readValue(Arguments.required(json, "json"), "json");
    }

    /**
     * Restores a request that a store kept; for storage adapters.
     *
     * <p>The JSON is read when {@link #parameters()} is first called, since a replay has no need of it.
     *
     * @param method as it was stored
     * @param path as it was stored
     * @param parametersJson what {@link #parametersJson()} gave, in this or another spelling of the same JSON
     * @param complete what {@link #isComplete()} gave
     * @return the request
     */
    public static Request restored(String method, String path, String parametersJson, boolean complete) {
        return new Request(
                Arguments.required(method, "method"),
                Arguments.required(path, "path"),
                Arguments.required(parametersJson, "parametersJson"),
                false,
                complete,
                null);
    }

    /**
     * The request's method.
     *
     * @return as it was given
     */
    public String method() {
        return method;
    }

    /**
     * The resource's path.
     *
     * @return as it was given
     */
    public String path() {
        return path;
    }

    /**
     * The normalized parameters.
     *
     * @return an immutable map, sorted by name; its values are {@link String}, {@link Boolean},
     *     {@link java.math.BigDecimal}, {@link java.util.List}, {@link Map} or {@code null}
     * @throws IllegalStateException if the store returned something else than it was given
     */
    public Map<String, @Nullable Object> parameters() {
        Map<String, @Nullable Object> read = parameters;
        if (read == null) {
            try {
                read = Json.read(json, "parametersJson");
            } catch (IllegalArgumentException e) {
                throw new IllegalStateException("the stored parameters can't be read: " + e.getMessage(), e);
            }
            parameters = read;
        }
        return read;
    }

    /**
     * The same parameters, to be read by name and type.
     *
     * @return the parameters
     * @throws IllegalStateException if the store returned something else than it was given
     */
    public Parameters typed() {
        return new Parameters("", parameters());
    }

    /**
     * The parameters as JSON, for storage adapters: lossless in every store that keeps JSON values.
     *
     * @return one JSON object
     */
    public String parametersJson() {
        return json;
    }

    /**
     * The same request with other parameters, such as none or masked ones, and so not complete; to be stored in place
     * of this one where something in it is not to be stored.
     *
     * @param parameters what may be stored; copied
     * @return the redacted request
     * @throws IllegalArgumentException if the parameters pass a limit or hold a value of another type
     */
    public Request redacted(Map<String, ? extends @Nullable Object> parameters) {
        Request redacted = of(method, path, parameters);
        return new Request(method, path, redacted.json, true, false, redacted.parameters);
    }

    /**
     * Whether the parameters are what the client sent, or else what was left of them for storage.
     *
     * @return {@code false} after {@link #redacted}
     */
    public boolean isComplete() {
        return complete;
    }

    /** The parameters in the one spelling that fingerprints are computed from, however a store spelled them. */
    String canonicalJson() {
        return canonical ? json : Json.write(parameters(), "parameters");
    }

    /** Requests are equal if method, path, normalized parameters and completeness are. */
    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof Request that
                && method.equals(that.method)
                && path.equals(that.path)
                && complete == that.complete
                && parameters().equals(that.parameters());
    }

    @Override
    public int hashCode() {
        return Objects.hash(method, path, parameters());
    }

    /** Returns method and path; never the parameters. */
    @Override
    public String toString() {
        return method + " " + path;
    }
}
