package io.idempotencykey.spring.web;

import io.idempotencykey.Response;
import io.idempotencykey.spring.StageMisuseException;
import jakarta.servlet.ServletOutputStream;
import jakarta.servlet.WriteListener;
import jakarta.servlet.http.Cookie;
import jakarta.servlet.http.HttpServletResponse;
import jakarta.servlet.http.HttpServletResponseWrapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/** What a handler answers, kept apart from the client's response, which gets it once it is stored. */
final class BufferedResponse extends HttpServletResponseWrapper {
    /** The longest body that the library can store, in bytes. */
    private static final int MOST_BYTES = 8 * 1024 * 1024;

    private static final Set<Integer> RETRYABLE = Set.of(408, 409, 425, 429);

    /** Whose bodies a container drops (RFC 9110, section 15). */
    private static final Set<Integer> WITHOUT_BODY = Set.of(204, 205, 304);

    /** Headers whose values of several writers belong together. */
    private static final Set<String> COMBINED = Set.of("link", "vary");

    private final Map<String, List<String>> headers = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
    /** The headers that were set, and not added to what filters have set. */
    private final Set<String> replacing = new TreeSet<>(String.CASE_INSENSITIVE_ORDER);

    private final List<Cookie> cookies = new ArrayList<>();
    private final Body body = new Body();
    private int status = SC_OK;
    private @Nullable String error;
    private boolean isError;
    private @Nullable String contentType;
    private @Nullable String encoding;
    private @Nullable Locale locale;
    private @Nullable PrintWriter writer;

    BufferedResponse(HttpServletResponse response) {
        super(response);
    }

    /** Whether a retry can't be answered otherwise. */
    boolean isFinal() {
        return status < 500 && !RETRYABLE.contains(status);
    }

    /** Whether the container is to make the body, by its error page. */
    boolean isError() {
        return isError;
    }

    /** What the container would be told of the error; empty if nothing. */
    String error() {
        return error == null ? "" : error;
    }

    /** An error page has made the body. */
    void rendered() {
        isError = false;
    }

    /** What is stored: the status, the body, and those headers whose names are listed. */
    Response stored(Set<String> names) {
        Response stored = Response.of(status, bytes());
        for (String name : getHeaderNames()) {
            if (names.contains(name.toLowerCase(Locale.ROOT))) {
                for (String value : getHeaders(name)) {
                    stored = withHeader(stored, name, value);
                }
            }
        }
        return stored;
    }

    private static Response withHeader(Response response, String name, String value) {
        try {
            return response.withHeader(name, value);
        } catch (IllegalArgumentException e) {
            throw new StageMisuseException("the header " + name + " can't be stored: " + e.getMessage());
        }
    }

    /** Gives the client everything, headers and cookies that aren't stored among it. */
    void writeTo(HttpServletResponse response) throws IOException {
        headers.forEach((name, values) -> write(name, values, replacing.contains(name), response));
        cookies.forEach(response::addCookie);
        if (isError) {
            if (error == null) {
                response.sendError(status);
            } else {
                response.sendError(status, error);
            }
            return;
        }
        if (locale != null) {
            response.setLocale(locale);
        }
        write(response, status, getContentType(), bytes());
    }

    /** Gives the client a stored response. */
    static void write(Response stored, HttpServletResponse response) throws IOException {
        stored.headers().forEach((name, values) -> {
            if (!name.equalsIgnoreCase("Content-Type")) {
                write(name, values, !COMBINED.contains(name.toLowerCase(Locale.ROOT)), response);
            }
        });
        write(response, stored.status(), stored.header("Content-Type"), stored.body());
    }

    private static void write(String name, List<String> values, boolean replaces, HttpServletResponse response) {
        for (int i = 0; i < values.size(); i++) {
            if (i == 0 && replaces) {
                response.setHeader(name, values.get(i));
            } else {
                response.addHeader(name, values.get(i));
            }
        }
    }

    private static void write(HttpServletResponse response, int status, @Nullable String contentType, byte[] body)
            throws IOException {
        response.setStatus(status);
        if (contentType != null) {
            response.setContentType(contentType);
        }
        if (body.length > 0) {
            response.setContentLength(body.length);
            response.getOutputStream().write(body);
        }
        response.flushBuffer();
    }

    private byte[] bytes() {
        if (writer != null) {
            writer.flush();
        }
        return WITHOUT_BODY.contains(status) ? new byte[0] : body.bytes.toByteArray();
    }

    @Override
    public void setStatus(int status) {
        this.status = status;
    }

    @Override
    public int getStatus() {
        return status;
    }

    @Override
    public void sendError(int status) {
        fail(status, null);
    }

    @Override
    public void sendError(int status, @Nullable String message) {
        fail(status, message);
    }

    private void fail(int status, @Nullable String message) {
        resetBuffer();
        this.status = status;
        this.error = message;
        this.isError = true;
    }

    @Override
    public void sendRedirect(String location) {
        sendRedirect(location, SC_FOUND, true);
    }

    // The next four are Servlet 6.1's. There, they would reach the client's response past this one, and before the
    // commit; in Servlet 6.0, they override nothing.

    /** Redirects with a status of the caller's. */
    public void sendRedirect(String location, int status) {
        sendRedirect(location, status, true);
    }

    /** Redirects with a body of the caller's, unless it is to be cleared. */
    public void sendRedirect(String location, boolean clearBuffer) {
        sendRedirect(location, SC_FOUND, clearBuffer);
    }

    /** Redirects with a status and a body of the caller's, unless it is to be cleared. */
    public void sendRedirect(String location, int status, boolean clearBuffer) {
        if (clearBuffer) {
            resetBuffer();
        }
        this.status = status;
        setHeader("Location", location);
    }

    /** Sets the encoding; {@code null} for the default. */
    public void setCharacterEncoding(@Nullable Charset encoding) {
        setCharacterEncoding(encoding == null ? null : encoding.name());
    }

    @Override
    public void addCookie(Cookie cookie) {
        cookies.add(cookie);
    }

    @Override
    public boolean containsHeader(String name) {
        return !getHeaders(name).isEmpty() || super.containsHeader(name);
    }

    @Override
    public void setHeader(String name, @Nullable String value) {
        if (name.equalsIgnoreCase("Content-Type")) {
            setContentType(value);
        } else if (value == null) {
            headers.remove(name);
        } else if (!name.equalsIgnoreCase("Content-Length")) {
            headers.put(name, new ArrayList<>(List.of(value)));
            replacing.add(name);
        }
    }

    @Override
    public void addHeader(String name, @Nullable String value) {
        if (name.equalsIgnoreCase("Content-Type")) {
            setContentType(value);
        } else if (value != null && !name.equalsIgnoreCase("Content-Length")) {
            headers.computeIfAbsent(name, first -> new ArrayList<>()).add(value);
        }
    }

    @Override
    public void setIntHeader(String name, int value) {
        setHeader(name, Integer.toString(value));
    }

    @Override
    public void addIntHeader(String name, int value) {
        addHeader(name, Integer.toString(value));
    }

    @Override
    public void setDateHeader(String name, long date) {
        setHeader(name, httpDate(date));
    }

    @Override
    public void addDateHeader(String name, long date) {
        addHeader(name, httpDate(date));
    }

    private static String httpDate(long date) {
        return DateTimeFormatter.RFC_1123_DATE_TIME.format(
                Instant.ofEpochMilli(date).atOffset(ZoneOffset.UTC));
    }

    @Override
    public @Nullable String getHeader(String name) {
        Collection<String> values = getHeaders(name);
        return values.isEmpty() ? null : values.iterator().next();
    }

    @Override
    public Collection<String> getHeaders(String name) {
        if (name.equalsIgnoreCase("Content-Type")) {
            String type = getContentType();
            return type == null ? List.of() : List.of(type);
        }
        return List.copyOf(headers.getOrDefault(name, List.of()));
    }

    @Override
    public Collection<String> getHeaderNames() {
        List<String> names = new ArrayList<>(headers.keySet());
        if (contentType != null) {
            names.add("Content-Type");
        }
        return names;
    }

    @Override
    public void setContentType(@Nullable String type) {
        contentType = type;
        int charset = type == null ? -1 : type.toLowerCase(Locale.ROOT).indexOf("charset=");
        if (type != null && charset >= 0) {
            encoding = type.substring(charset + "charset=".length())
                    .replaceFirst(";.*", "")
                    .replace("\"", "")
                    .strip();
        }
    }

    @Override
    public @Nullable String getContentType() {
        if (contentType == null
                || encoding == null
                || contentType.toLowerCase(Locale.ROOT).contains("charset=")) {
            return contentType;
        }
        return contentType + ";charset=" + encoding;
    }

    @Override
    public void setCharacterEncoding(@Nullable String encoding) {
        this.encoding = encoding;
        if (contentType != null) {
            contentType = contentType.replaceFirst("(?i);\\s*charset=[^;]*", "");
        }
    }

    @Override
    public String getCharacterEncoding() {
        return encoding == null ? StandardCharsets.ISO_8859_1.name() : encoding;
    }

    @Override
    public void setContentLength(int length) {}

    @Override
    public void setContentLengthLong(long length) {}

    @Override
    public void setLocale(Locale locale) {
        this.locale = locale;
        setHeader("Content-Language", locale.toLanguageTag());
    }

    @Override
    public Locale getLocale() {
        return locale == null ? super.getLocale() : locale;
    }

    @Override
    public ServletOutputStream getOutputStream() {
        return body;
    }

    @Override
    public PrintWriter getWriter() {
        if (writer == null) {
            setCharacterEncoding(getCharacterEncoding());
            writer = new PrintWriter(new OutputStreamWriter(body, Charset.forName(getCharacterEncoding())));
        }
        return writer;
    }

    @Override
    public void setBufferSize(int size) {}

    @Override
    public int getBufferSize() {
        return MOST_BYTES;
    }

    @Override
    public void flushBuffer() {}

    @Override
    public boolean isCommitted() {
        return false;
    }

    @Override
    public void resetBuffer() {
        // Flushed first, lest what the writer still holds come later.
        if (writer != null) {
            writer.flush();
        }
        body.bytes.reset();
    }

    @Override
    public void reset() {
        resetBuffer();
        headers.clear();
        replacing.clear();
        cookies.clear();
        status = SC_OK;
        isError = false;
        error = null;
        contentType = null;
        encoding = null;
        writer = null;
    }

    private static final class Body extends ServletOutputStream {
        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

        @Override
        public void write(int value) {
            bytes.write(room(1, value));
        }

        @Override
        public void write(byte[] from, int offset, int length) {
            bytes.write(from, offset, room(length, length));
        }

        private int room(int more, int value) {
            if (bytes.size() + more > MOST_BYTES) {
                throw new StageMisuseException("the response of an idempotent handler method has more than "
                        + MOST_BYTES + " bytes, which is the most that can be stored");
            }
            return value;
        }

        @Override
        public boolean isReady() {
            return true;
        }

        @Override
        public void setWriteListener(WriteListener listener) {
            throw new IllegalStateException(
                    "the response of an idempotent handler method is written without a listener");
        }
    }
}
