package io.idempotencykey.contract;

import static org.junit.jupiter.api.Named.named;

import io.idempotencykey.Fingerprint;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyCreation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyProgress;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StoredKey;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.function.Function;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.params.provider.Arguments;

/** Values at the limits of what is legal. */
final class Samples {
    private static final Instant AT = Instant.parse("2039-12-31T23:59:59.001Z");

    private Samples() {}

    static StoredKey stored(
            KeyId id, String operation, Request request, Fingerprint fingerprint, Instant since, KeyState state) {
        IdempotencyKey key = new IdempotencyKey(
                new KeyCreation(id, UUID.randomUUID(), operation, request, fingerprint, since),
                new KeyProgress(state, 3, 1, "an earlier error", since));
        return new StoredKey(key, new Revision(UUID.randomUUID()));
    }

    /** Values of keys in which a store may see more than characters. */
    static Stream<String> values() {
        return Stream.of(
                "a",
                "0",
                "!",
                "~",
                "x".repeat(255),
                "\"quoted\"",
                "'quoted'",
                "back\\slash\\",
                "50%_[a-z]*?",
                "$where",
                "a.b.c",
                "{\"$gt\":\"\"}",
                "';--",
                "null",
                "<key>&amp;",
                "/a//b/../c?d=e#f",
                IntStream.rangeClosed('!', '~')
                        .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
                        .toString());
    }

    /** Pairs that a careless comparison takes for one key. */
    static Stream<Arguments> similarNames() {
        return Stream.of(
                Arguments.of("", "abc", "", "ABC"),
                Arguments.of("", "abc", "", "Abc"),
                Arguments.of("", "abc", "", "abc."),
                Arguments.of("", "abc", "", "ab"),
                Arguments.of("", "abc", "", "a_c"),
                Arguments.of("", "abc", "", "a%"),
                Arguments.of("", "0", "", "00"),
                Arguments.of("", "1", "", "1.0"),
                Arguments.of("", "1000", "", "1e3"),
                Arguments.of("", "x".repeat(254) + "y", "", "x".repeat(254) + "z"),
                Arguments.of("/a", "b", "/a", "B"),
                Arguments.of("/a", "b", "/A", "b"),
                Arguments.of("/a", "bc", "/ab", "c"),
                Arguments.of("/a", "b/c", "/a/b", "c"),
                Arguments.of("/a", "b:c", "/a:b", "c"),
                Arguments.of("/a", "b|c", "/a|b", "c"),
                Arguments.of("/a", "b", "/b", "a"),
                Arguments.of("/a", "b", "", "b"),
                Arguments.of("/" + "s".repeat(200) + "a", "v", "/" + "s".repeat(200) + "b", "v"));
    }

    /** Parameters that a store may not be able to keep as they are. */
    static Stream<Named<Map<String, @Nullable Object>>> parameters() {
        Map<String, @Nullable Object> wide = new LinkedHashMap<>();
        for (int i = 0; i < 2_000; i++) {
            wide.put("name " + i, i);
        }
        Map<String, @Nullable Object> everyControl = new HashMap<>();
        for (char c = 0; c < ' '; c++) {
            everyControl.put("a" + c, "b" + c);
        }
        Map<String, @Nullable Object> nothing = new HashMap<>();
        nothing.put("null", null);
        nothing.put("list", Arrays.asList(null, null));
        return Stream.of(
                named("none", Map.of()),
                named("null", nothing),
                named("true and false", one(List.of(true, false))),
                named("the empty string", one("")),
                named(
                        "text that looks like other types",
                        one(List.of("1", "true", "null", "{}", "2026-01-01T00:00:00Z"))),
                named("NUL in a string", one("a\u0000b")),
                named("NUL in a name", Map.of("a\u0000b", 1)),
                named("every control character", everyControl),
                named("the text \\u0000", one("\\u0000")),
                named("quotes and backslashes", Map.of("\"\\'`", "\\\"'`/")),
                named("an empty name", Map.of("", 1)),
                named("a dot in a name", Map.of("a.b", 1, ".", 2, "a", Map.of("b", 3))),
                named("a dollar in a name", Map.of("$set", 1, "a$", 2, "$", 3)),
                named("names like a store's own", Map.of("_id", 1, "$oid", "x", "_class", "y", "$numberDecimal", "1")),
                named("names that differ in case", Map.of("a", 1, "A", 2)),
                named("characters beyond the first plane", Map.of("\ud83d\ude00", "\ud83d\udc4d\ud83c\udffd")),
                named("noncharacters and marks", one("\ufffe\uffff\ufeff\u200b\u202e\u2028")),
                named("both Unicode normal forms", Map.of("\u00e9", 1, "e\u0301", 2)),
                named("0.1", one(0.1)),
                named(
                        "whole numbers beyond 2^53",
                        one(List.of(9_007_199_254_740_993L, Long.MIN_VALUE, Long.MAX_VALUE))),
                named("10^30", one(BigInteger.TEN.pow(30))),
                named("40 digits", one(new BigDecimal("1234567890123456789012345678901234567890"))),
                named("40 digits behind the point", one(new BigDecimal("-0.1234567890123456789012345678901234567891"))),
                named("1,000 digits", one(new BigDecimal("9".repeat(1_000)))),
                named("1E+200000", one(new BigDecimal("1E+200000"))),
                named("1E-200000", one(new BigDecimal("1E-200000"))),
                named("zeros", one(List.of(0, -0.0, new BigDecimal("0.00"), new BigDecimal("0E+5")))),
                named("100 levels of maps", mapsDeep(100)),
                named("100 levels of lists", listsDeep(100)),
                named("2,000 members", wide),
                named("a list of 2,000", one(IntStream.range(0, 2_000).boxed().toList())),
                named("a string of 100,000", one("\u00e4".repeat(100_000))),
                named(
                        "empty maps and lists",
                        Map.of("m", Map.of(), "l", List.of(), "ll", List.of(List.of(), Map.of()))));
    }

    static Map<String, @Nullable Object> one(Object value) {
        Map<String, @Nullable Object> map = new HashMap<>();
        map.put("value", value);
        return map;
    }

    /** A map with so many levels of maps inside. */
    static Map<String, @Nullable Object> mapsDeep(int levels) {
        Map<String, @Nullable Object> map = Map.of("bottom", 1);
        for (int i = 0; i < levels; i++) {
            map = one(map);
        }
        return map;
    }

    /** A map with so many levels of lists inside. */
    static Map<String, @Nullable Object> listsDeep(int levels) {
        List<@Nullable Object> list = new ArrayList<>();
        for (int i = 1; i < levels; i++) {
            list = List.of(list);
        }
        return one(list);
    }

    /** Responses that a store may not be able to keep as they are. */
    static Stream<Named<Response>> responses() {
        byte[] allBytes = new byte[256];
        for (int i = 0; i < allBytes.length; i++) {
            allBytes[i] = (byte) i;
        }
        byte[] big = new byte[1024 * 1024];
        for (int i = 0; i < big.length; i++) {
            big[i] = (byte) (i * 31 + i / 256);
        }
        return Stream.of(
                named("an empty body", Response.of(204, new byte[0])),
                named("one byte NUL", Response.of(200, new byte[1])),
                named("every byte", Response.of(200, allBytes)),
                named("1 MiB", Response.of(200, big)),
                named("text", Response.of(201, "text/plain; charset=utf-8", "gr\u00fc\u00df dich \ud83d\ude00")),
                named("an error", Response.of(402, "application/problem+json", "{\"status\":402}")),
                named("the lowest status", Response.of(200, new byte[0])),
                named("a status that was once legal", Response.restored(100, "{}", new byte[0])),
                named("a body that was once legal", Response.restored(204, "{}", new byte[1])),
                named("the highest status", Response.of(599, new byte[0])),
                named(
                        "headers with many values",
                        Response.of(200, new byte[0])
                                .withHeader("Set-Cookie", "a=1; Path=/")
                                .withHeader("set-cookie", "b=2")
                                .withHeader("Set-Cookie", "a=1; Path=/")
                                .withHeader("Location", "/orders/1")),
                named(
                        "odd names and values of headers",
                        Response.of(200, new byte[0])
                                .withHeader("!#$%&'*+-.^_`|~", "\t\"\\ ~")
                                .withHeader("$Set.a.b", "")
                                .withHeader("x".repeat(256), " a ")),
                named(
                        "headers of 60,000 characters",
                        Response.of(200, new byte[0]).withHeader("X", "v".repeat(60_000))));
    }

    /** Keys in every state, with counters, times and texts at their limits. */
    static Stream<Named<Function<KeyId, StoredKey>>> storedKeys() {
        RecoveryPoint longest = RecoveryPoint.named("Az09._-".repeat(15).substring(0, 100));
        String longText = "\ud83d\ude00\u00e4\u0301\"\\'$".repeat(125);
        KeyState open = new KeyState.Open(RecoveryPoint.STARTED, AT);
        Response response = Response.of(201, "text/plain", "done").withHeader("A", "1");
        Request longRequest = Request.of("M".repeat(32), "/\u00e9\ud83d\ude00 ?%".repeat(292), Map.of());
        return Stream.of(
                sample("open", id -> key(id, open)),
                sample("open at a long name", id -> key(id, new KeyState.Open(longest, AT.plusMillis(1)))),
                sample("locked", id -> key(id, new KeyState.Locked(longest, AT, AT.plusMillis(86_400_000)))),
                sample("failed", id -> key(id, new KeyState.Failed(AT.plusMillis(1)))),
                sample("finished", id -> key(id, new KeyState.Finished(response, AT, AT.plusSeconds(3_650L * 86_400)))),
                sample(
                        "expired long ago",
                        id -> key(id, new KeyState.Finished(response, Instant.EPOCH, Instant.EPOCH))),
                sample("quarantined", id -> key(id, new KeyState.Quarantined(longest, AT, ""))),
                sample("quarantined for a long reason", id -> key(id, new KeyState.Quarantined(longest, AT, longText))),
                sample("a new key", id -> key(id, "", World.REQUEST, "v1:0", 0, 0, "", open)),
                sample("the longest operation", id -> key(id, "o".repeat(100), World.REQUEST, "v1:0", 1, 0, "", open)),
                sample("the longest error", id -> key(id, "", World.REQUEST, "v1:0", 1, 1, longText, open)),
                sample(
                        "the highest counters",
                        id -> key(
                                id,
                                "",
                                World.REQUEST,
                                "v1:0",
                                KeyProgress.MAX_ATTEMPTS,
                                KeyProgress.MAX_FAILED_ATTEMPTS,
                                "",
                                open)),
                sample(
                        "another version's fingerprint",
                        id -> key(id, "", World.REQUEST, "v9999:" + "~".repeat(120), 1, 0, "", open)),
                sample(
                        "a redacted request",
                        id -> key(id, "", World.REQUEST.redacted(Map.of("email", "\u2026")), "v1:0", 1, 0, "", open)),
                sample("the longest method and path", id -> key(id, "", longRequest, "v1:0", 1, 0, "", open)));
    }

    private static IdempotencyKey key(KeyId id, KeyState state) {
        return key(id, "complete-cart", World.REQUEST, "v1:abc", 3, 1, "an earlier error", state);
    }

    private static IdempotencyKey key(
            KeyId id,
            String operation,
            Request request,
            String fingerprint,
            long attempts,
            int failedAttempts,
            String lastError,
            KeyState state) {
        return new IdempotencyKey(
                new KeyCreation(id, UUID.randomUUID(), operation, request, new Fingerprint(fingerprint), AT),
                new KeyProgress(state, attempts, failedAttempts, lastError, AT.plusMillis(998)));
    }

    private static Named<Function<KeyId, StoredKey>> sample(String name, Function<KeyId, IdempotencyKey> key) {
        return named(name, id -> new StoredKey(key.apply(id), new Revision(UUID.randomUUID())));
    }
}
