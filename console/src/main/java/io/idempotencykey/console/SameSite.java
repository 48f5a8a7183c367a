package io.idempotencykey.console;

import jakarta.servlet.http.Cookie;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.SecureRandom;
import java.util.Base64;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Tells the page's own requests from those that another site makes a signed-in user's browser send.
 *
 * <p>A request has to say that it comes from the page's own origin, which no script of another site can, and has to
 * have a token. The token is the digest of a secret in the browser's cookie, which no script reads, and of the user's
 * name: so it is of no use in another browser, or to another user of this one.
 */
final class SameSite {
    static final String HEADER = "Idempotency-Console";
    static final String COOKIE = "idempotency-console";

    private static final Pattern SECRET = Pattern.compile("[A-Za-z0-9_-]{43}");
    private static final int SECRET_BYTES = 32;
    private static final Base64.Encoder TEXT = Base64.getUrlEncoder().withoutPadding();
    private static final SecureRandom RANDOM = new SecureRandom();

    private SameSite() {}

    /**
     * The token of the request's browser and user; a browser without a secret gets one. Another site's page could send
     * the browser here without its cookie, and so give it another secret than the console's page has.
     */
    static String token(HttpServletRequest request, HttpServletResponse response, String user) {
        if (request.getHeader("Sec-Fetch-Site") != null) {
            checkOrigin(request);
        }
        return token(secret(request).orElseGet(() -> newSecret(request, response)), user);
    }

    private static Optional<String> secret(HttpServletRequest request) {
        Cookie @Nullable [] cookies = request.getCookies();
        return cookies == null
                ? Optional.empty()
                : Stream.of(cookies)
                        .filter(cookie -> cookie.getName().equals(COOKIE))
                        .map(Cookie::getValue)
                        .filter(value -> SECRET.matcher(value).matches())
                        .findFirst();
    }

    private static String newSecret(HttpServletRequest request, HttpServletResponse response) {
        byte[] random = new byte[SECRET_BYTES];
        RANDOM.nextBytes(random);
        String secret = TEXT.encodeToString(random);
        Cookie cookie = new Cookie(COOKIE, secret);
        // Without a path: the browser sends it back to where it came from, whatever a proxy calls that.
        cookie.setHttpOnly(true);
        cookie.setSecure(request.isSecure());
        cookie.setAttribute("SameSite", "Strict");
        response.addCookie(cookie);
        return secret;
    }

    private static String token(String secret, String user) {
        try {
            return TEXT.encodeToString(MessageDigest.getInstance("SHA-256")
                    .digest((secret + "\n" + user).getBytes(StandardCharsets.UTF_8)));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Refuses what the page itself hasn't sent in the name of the user. */
    static void check(HttpServletRequest request, String user) {
        checkOrigin(request);
        String sent = request.getHeader(HEADER);
        boolean isKnown = sent != null
                && secret(request)
                        .map(secret -> MessageDigest.isEqual(
                                token(secret, user).getBytes(StandardCharsets.UTF_8),
                                sent.getBytes(StandardCharsets.UTF_8)))
                        .orElse(false);
        if (!isKnown) {
            throw new ConsoleServlet.Refused(
                    HttpServletResponse.SC_FORBIDDEN,
                    "other-session",
                    "the request's token isn't that of this browser and user; load the page again");
        }
    }

    private static void checkOrigin(HttpServletRequest request) {
        if (!isOfOwnOrigin(request)) {
            throw new ConsoleServlet.Refused(
                    HttpServletResponse.SC_FORBIDDEN,
                    "other-origin",
                    "the request doesn't come from the console's own page; behind a proxy, the proxy has to pass the"
                            + " header 'Host' on");
        }
    }

    /** Browsers send {@code Sec-Fetch-Site} where the page is encrypted or local, and {@code Origin} with any POST. */
    private static boolean isOfOwnOrigin(HttpServletRequest request) {
        String site = request.getHeader("Sec-Fetch-Site");
        if (site != null) {
            return site.equals("same-origin");
        }
        String origin = request.getHeader("Origin");
        String host = request.getHeader("Host");
        return origin != null
                && host != null
                && Stream.of("http://" + host, "https://" + host).anyMatch(origin::equalsIgnoreCase);
    }
}
