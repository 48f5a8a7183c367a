package io.idempotencykey;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ResponseTest {
    private static final byte[] BODY = {0, 1, -1};

    @Test
    void bodiesAreCopiedOnTheWayInAndOut() {
        byte[] given = BODY.clone();
        Response response = Response.of(200, given);

        given[0] = 9;
        response.body()[1] = 9;

        assertThat(response.body()).isEqualTo(BODY);
        assertThat(response.bodyLength()).isEqualTo(3);
    }

    @Test
    void aTextIsItsBytesInUtf8WithItsContentType() {
        Response response = Response.of(201, "text/plain", "é");

        assertThat(response.status()).isEqualTo(201);
        assertThat(response.body()).containsExactly(0xc3, 0xa9);
        assertThat(response.header("content-type")).isEqualTo("text/plain");
        assertThat(response.header("Location")).isNull();
    }

    @Test
    void aNameInAnyCaseGetsOneMoreValue() {
        Response response =
                Response.of(200, BODY).withHeader("Set-Cookie", "a=1").withHeader("set-cookie", "b=2");

        assertThat(response.headers()).containsOnlyKeys("Set-Cookie");
        assertThat(response.headers().get("SET-COOKIE")).containsExactly("a=1", "b=2");
        assertThatExceptionOfType(UnsupportedOperationException.class)
                .isThrownBy(() -> response.headers().clear());
    }

    @Test
    void aRestoredResponseEqualsTheStoredOne() {
        Response response = Response.of(200, BODY)
                .withHeader("Set-Cookie", "a=\"1\"\t")
                .withHeader("set-cookie", "b=~")
                .withHeader("ETag", "x");

        Response restored = Response.restored(200, response.headersJson(), BODY);

        assertThat(restored).isEqualTo(response).hasSameHashCodeAs(response);
        assertThat(Response.restored(200, "{}", BODY)).isEqualTo(Response.of(200, BODY));
    }

    @Test
    void responsesDifferInEveryPart() {
        Response response = Response.of(200, BODY).withHeader("A", "1");

        assertThat(response)
                .isEqualTo(Response.of(200, BODY).withHeader("a", "1"))
                .isNotEqualTo(Response.of(201, BODY).withHeader("A", "1"))
                .isNotEqualTo(Response.of(200, BODY).withHeader("A", "2"))
                .isNotEqualTo(Response.of(200, BODY).withHeader("A", "1").withHeader("A", "1"))
                .isNotEqualTo(Response.of(200, BODY))
                .isNotEqualTo(Response.of(200, new byte[] {0, 1}).withHeader("A", "1"))
                .isNotEqualTo("Response");
    }

    @ParameterizedTest
    @ValueSource(ints = {-1, 0, 99, 100, 101, 103, 199, 600, Integer.MAX_VALUE})
    void anIllegalStatusIsRefused(int status) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Response.of(status, BODY))
                .withMessage("argument 'status' is '" + status + "'; allowed: 200 to 599");
        assertThatIllegalArgumentException().isThrownBy(() -> Response.of(status, "text/plain", ""));
    }

    @Test
    void theOutermostStatusesAreLegal() {
        assertThat(List.of(
                        Response.of(200, BODY).status(), Response.of(599, BODY).status()))
                .containsExactly(200, 599);
    }

    /** A client would take the body for the beginning of the next response. */
    @ParameterizedTest
    @ValueSource(ints = {204, 205, 304})
    void aStatusWithoutContentHasNoBody(int status) {
        assertThat(Response.of(status, new byte[0]).bodyLength()).isZero();
        assertThat(Response.of(status, "text/plain", "").bodyLength()).isZero();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Response.of(status, BODY))
                .withMessage("argument 'body' is '" + BODY.length + " bytes'; allowed: none with the status " + status);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Response.of(status, "text/plain", "\u00e9"))
                .withMessage("argument 'body' is '2 bytes'; allowed: none with the status " + status);
    }

    /** The first version took them. */
    @ParameterizedTest
    @ValueSource(ints = {100, 103, 199, 204, 205, 304})
    void whatAnEarlierVersionStoredIsRestored(int status) {
        Response restored = Response.restored(status, "{\"A\":[\"1\"]}", BODY).withHeader("B", "2");

        assertThat(restored.status()).isEqualTo(status);
        assertThat(restored.body()).isEqualTo(BODY);
        assertThat(restored.header("B")).isEqualTo("2");
    }

    @ParameterizedTest
    @ValueSource(ints = {-1, 0, 99, 600})
    void aStatusThatWasNeverLegalIsNotRestored(int status) {
        assertThatIllegalArgumentException().isThrownBy(() -> Response.restored(status, "{}", BODY));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", " ", "a b", "a:", "é", "a\n", "(", "a/b", "[", "@", "{"})
    void anIllegalHeaderNameIsRefused(String name) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Response.of(200, BODY).withHeader(name, "v"))
                .withMessageContaining("argument 'name'");
    }

    @Test
    void everyTokenCharacterIsLegalInAHeaderName() {
        String token = "!#$%&'*+-.^_`|~09azAZ";

        assertThat(Response.of(200, BODY).withHeader(token, "v").headers()).containsOnlyKeys(token);
        assertThat(Response.of(200, BODY).withHeader("n".repeat(256), "v").headers())
                .hasSize(1);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Response.of(200, BODY).withHeader("n".repeat(257), "v"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"a\nb", "a\rb", "\u0000", "\u001f", "\u007f", "\u00e9", "\u20ac", "\ud800"})
    void anIllegalHeaderValueIsRefused(String value) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Response.of(200, BODY).withHeader("n", value))
                .withMessageContaining("argument 'value'");
    }

    @Test
    void headersTogetherHaveALongestLength() {
        Response full = Response.of(200, BODY).withHeader("n", "v".repeat(65_535));

        assertThatIllegalArgumentException()
                .isThrownBy(() -> full.withHeader("m", ""))
                .withMessageContaining("at most 65536 characters");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Response.of(200, BODY).withHeader("n", "v".repeat(65_536)));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "[]", "{\"a\":\"b\"}", "{\"a\":{}}", "{\"a\":[]}", "{\"a\":[1]}", "{\"a\":[null]}"})
    void headersThatTheStoreGarbledAreRefused(String json) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Response.restored(200, json, BODY))
                .withMessageStartingWith("argument 'headersJson' is '" + shown(json) + "; allowed: ");
    }

    /** Each once: copying all that came before for every one would take half a minute. */
    @Test
    void asManyHeadersAsThereCanBeAreReadAtOnce() {
        String values = "{\"a\":[" + "\"\",".repeat(65_535) + "\"\"]}";
        String names = IntStream.range(10_000, 23_107)
                .mapToObj(name -> "\"" + name + "\":[\"\"]")
                .collect(Collectors.joining(",", "{", "}"));

        assertTimeoutPreemptively(Duration.ofSeconds(10), () -> {
            assertThat(Response.restored(200, values, BODY).headers().get("A")).hasSize(65_536);
            assertThat(Response.restored(200, names, BODY).headers()).hasSize(13_107);
        });
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Response.restored(200, values.replace("]", ",\"\"]"), BODY))
                .withMessageContaining("at most 65536 characters");
    }

    @Test
    void aStoredNameInAnyCaseIsOneHeader() {
        assertThat(Response.restored(200, "{\"A\":[\"1\"],\"a\":[\"2\",\"3\"]}", BODY)
                        .headers())
                .containsExactly(Map.entry("A", List.of("1", "2", "3")));
    }

    private static String shown(String secret) {
        return secret.length() > 8 ? secret.substring(0, 8) + "…' (" + secret.length() + " characters)" : secret + "'";
    }

    @Test
    void aGarbledHeaderNameIsRefused() {
        assertThatIllegalArgumentException().isThrownBy(() -> Response.restored(200, "{\"a b\":[\"c\"]}", BODY));
    }

    @Test
    void aTextThatCanNotBeWrittenInUtf8IsRefused() {
        assertThat(Response.of(200, "text/plain", "\ud83d\ude00").body()).hasSize(4);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Response.of(200, "text/plain", "\ud800"))
                .withMessage("argument 'body' is '\\ud800'; allowed: text without unpaired surrogates");
    }

    @Test
    void anIllegalContentTypeIsRefusedByItsName() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Response.of(200, "text/plain\n", ""))
                .withMessage(
                        "argument 'contentType' is 'text/pla…' (11 characters); allowed: visible ASCII characters, spaces and tabs");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Response.of(200, " ", ""))
                .withMessage("argument 'contentType' is ' '; allowed: a media type, such as application/json");
    }

    /** A cookie is one, and a body may hold one. */
    @Test
    void whatMayBeASecretIsShownCutToEightCharacters() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Response.of(200, BODY).withHeader("Set-Cookie", "password1\n"))
                .withMessageStartingWith("argument 'value' is 'password…' (10 characters); allowed: ");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Response.of(200, "text/plain", "password1\ud800"))
                .withMessageStartingWith("argument 'body' is 'password…' (10 characters); allowed: ");
    }

    @Test
    void theTextShowsNeitherHeadersNorBody() {
        assertThat(Response.of(200, "text/plain", "secret")).hasToString("Response[200, 6 bytes]");
    }
}
