package io.idempotencykey.spring.web;

import io.idempotencykey.Request;
import io.idempotencykey.spring.StageMisuseException;
import jakarta.servlet.AsyncContext;
import jakarta.servlet.ReadListener;
import jakarta.servlet.ServletInputStream;
import jakarta.servlet.ServletRequest;
import jakarta.servlet.ServletResponse;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletRequestWrapper;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.springframework.http.InvalidMediaTypeException;
import org.springframework.http.MediaType;
import org.springframework.web.HttpMediaTypeNotSupportedException;
import org.springframework.web.servlet.HandlerMapping;

/** A request whose body is kept, so that the handler can read it again. */
final class RepeatableRequest extends HttpServletRequestWrapper {
    private static final MediaType ANY_JSON = new MediaType("application", "*+json");

    private final byte[] body;
    private final @Nullable MediaType type;
    private @Nullable ServletInputStream stream;
    private @Nullable BufferedReader reader;

    private RepeatableRequest(HttpServletRequest request, byte[] body, @Nullable MediaType type) {
        super(request);
        this.body = body;
        this.type = type;
    }

    /**
     * Reads a request's body.
     *
     * @throws HttpMediaTypeNotSupportedException if its type isn't one
     * @throws RefusedRequest if the request is multipart, whose retries differ, or the body is too long
     */
    static RepeatableRequest of(HttpServletRequest request, int mostBytes)
            throws IOException, HttpMediaTypeNotSupportedException {
        MediaType type = type(request);
        if (type != null && "multipart".equals(type.getType())) {
            throw new RefusedRequest(
                    415,
                    "multipart",
                    "multipart requests can't be idempotent, because every retry has another boundary");
        }
        byte[] form = type != null && type.equalsTypeAndSubtype(MediaType.APPLICATION_FORM_URLENCODED)
                ? FormBody.of(request)
                : new byte[0];
        // Its stream is empty if the container or a filter has read the form, as is a request's without a body.
        byte[] body = form.length > 0 ? form : request.getInputStream().readNBytes(mostBytes + 1);
        if (body.length > mostBytes) {
            throw new RefusedRequest(
                    413, "request-too-large", "the request's body has more than " + mostBytes + " bytes");
        }
        return new RepeatableRequest(request, body, type);
    }

    private static @Nullable MediaType type(HttpServletRequest request) throws HttpMediaTypeNotSupportedException {
        String sent = request.getContentType();
        try {
            return sent == null || sent.isBlank() ? null : MediaType.parseMediaType(sent);
        } catch (InvalidMediaTypeException e) {
            throw new HttpMediaTypeNotSupportedException(e.getMessage());
        }
    }

    /** The same request, to be read once more. */
    RepeatableRequest again() {
        return new RepeatableRequest((HttpServletRequest) getRequest(), body, type);
    }

    /**
     * The request as far as it decides whether another one is the same: JSON by its value, any other body by its type
     * and digest.
     */
    Request described() {
        Map<String, @Nullable Object> parameters = new HashMap<>();
        if (getQueryString() != null) {
            parameters.put("query", getQueryString());
        }
        if (isJson()) {
            try {
                parameters.put("body", Request.jsonValue(text()));
                return described(parameters);
            } catch (IllegalArgumentException | CharacterCodingException e) {
                // Whether the application can read it is for the application to say.
                parameters.remove("body");
            }
        }
        if (body.length > 0) {
            parameters.put("digest", Digest.of(body));
            parameters.put("type", String.valueOf(type));
        }
        return described(parameters);
    }

    /** The request of a declared operation, which reads its parameters. */
    Request parameterized() {
        Map<String, @Nullable Object> parameters = new HashMap<>();
        if (body.length > 0) {
            Object value;
            try {
                value = isJson() ? Request.jsonValue(text()) : null;
            } catch (IllegalArgumentException | CharacterCodingException e) {
                throw new RefusedRequest(400, "invalid-parameters", "the body isn't readable JSON", e);
            }
            if (!(value instanceof Map<?, ?> members)) {
                throw new RefusedRequest(400, "invalid-parameters", "the body isn't a JSON object");
            }
            members.forEach((name, member) -> parameters.put((String) name, member));
        }
        if (getAttribute(HandlerMapping.URI_TEMPLATE_VARIABLES_ATTRIBUTE) instanceof Map<?, ?> variables) {
            variables.forEach((name, variable) -> add("{" + name + "}", (String) variable, parameters));
        }
        if (getQueryString() != null) {
            add("?", getQueryString(), parameters);
        }
        try {
            return described(parameters);
        } catch (IllegalArgumentException e) {
            throw new RefusedRequest(400, "invalid-parameters", e.getMessage(), e);
        }
    }

    private static void add(String name, String value, Map<String, @Nullable Object> parameters) {
        if (parameters.containsKey(name)) {
            throw new RefusedRequest(
                    400, "invalid-parameters", "the body has a member '" + name + "', which the path or the query has");
        }
        parameters.put(name, value);
    }

    private Request described(Map<String, @Nullable Object> parameters) {
        if (getRequestURI().length() > Request.MAX_PATH_LENGTH) {
            throw new RefusedRequest(
                    414, "path-too-long", "the path has more than " + Request.MAX_PATH_LENGTH + " characters");
        }
        return Request.of(getMethod(), getRequestURI(), parameters);
    }

    private boolean isJson() {
        return body.length > 0
                && type != null
                && (type.isCompatibleWith(MediaType.APPLICATION_JSON) || type.isCompatibleWith(ANY_JSON));
    }

    private String text() throws CharacterCodingException {
        return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(body)).toString();
    }

    @Override
    public ServletInputStream getInputStream() {
        if (stream == null) {
            stream = new BodyStream(new ByteArrayInputStream(body));
        }
        return stream;
    }

    @Override
    public BufferedReader getReader() {
        if (reader == null) {
            String encoding = getCharacterEncoding();
            Charset charset = encoding == null ? StandardCharsets.ISO_8859_1 : Charset.forName(encoding);
            reader = new BufferedReader(new InputStreamReader(getInputStream(), charset));
        }
        return reader;
    }

    @Override
    public AsyncContext startAsync() {
        throw new StageMisuseException("an idempotent handler method answers on its own thread, in its transaction;"
                + " an asynchronous or streamed result can't be stored");
    }

    @Override
    public AsyncContext startAsync(ServletRequest request, ServletResponse response) {
        return startAsync();
    }

    private static final class BodyStream extends ServletInputStream {
        private final ByteArrayInputStream bytes;

        BodyStream(ByteArrayInputStream bytes) {
            this.bytes = bytes;
        }

        @Override
        public int read() {
            return bytes.read();
        }

        @Override
        public int read(byte[] buffer, int offset, int length) {
            return bytes.read(buffer, offset, length);
        }

        @Override
        public int available() {
            return bytes.available();
        }

        @Override
        public boolean isFinished() {
            return bytes.available() == 0;
        }

        @Override
        public boolean isReady() {
            return true;
        }

        @Override
        public void setReadListener(ReadListener listener) {
            throw new IllegalStateException("the body is read already; read it without a listener");
        }
    }
}
