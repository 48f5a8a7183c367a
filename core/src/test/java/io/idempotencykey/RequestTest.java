package io.idempotencykey;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.math.BigDecimal;
import java.text.Normalizer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RequestTest {
    private static final Request REQUEST = Request.of("POST", "/carts/42/complete", Map.of("email", "a@example.org"));

    @Test
    void aLaterChangeOfTheCallersMapDoesNotReachTheRequest() {
        List<Object> items = new ArrayList<>(List.of(1));
        Map<String, Object> parameters = new HashMap<>(Map.of("items", items));
        Request request = Request.of("POST", "/", parameters);

        items.add(2);
        parameters.clear();

        assertThat(request.parameters()).isEqualTo(Map.of("items", List.of(BigDecimal.ONE)));
    }

    @Test
    void parametersCanNotBeChanged() {
        Request request = Request.of("POST", "/", Map.of("items", List.of(1)));

        assertThatExceptionOfType(UnsupportedOperationException.class)
                .isThrownBy(() -> request.parameters().clear());
        assertThatExceptionOfType(UnsupportedOperationException.class)
                .isThrownBy(() -> Objects.requireNonNull(
                                (List<?>) request.parameters().get("items"))
                        .clear());
    }

    @Test
    void aRestoredRequestEqualsTheStoredOne() {
        Request restored =
                Request.restored("POST", "/carts/42/complete", " { \"email\" : \"a\\u0040example.org\" }", true);

        assertThat(restored).isEqualTo(REQUEST).hasSameHashCodeAs(REQUEST);
        assertThat(Fingerprint.of("op", restored)).isEqualTo(Fingerprint.of("op", REQUEST));
    }

    @Test
    void parametersThatTheStoreGarbledCanNotBeRead() {
        Request restored = Request.restored("POST", "/", "{\"email\":", true);

        assertThatIllegalStateException()
                .isThrownBy(restored::parameters)
                .withMessageContaining("the stored parameters can't be read");
    }

    @Test
    void aRedactedRequestHasOtherParametersAndIsNotComplete() {
        Request redacted = REQUEST.redacted(Map.of("email", "***"));

        assertThat(REQUEST.isComplete()).isTrue();
        assertThat(redacted.isComplete()).isFalse();
        assertThat(redacted.parameters()).isEqualTo(Map.of("email", "***"));
        assertThat(redacted)
                .isNotEqualTo(Request.of("POST", "/carts/42/complete", Map.of("email", "***")))
                .isEqualTo(Request.restored("POST", "/carts/42/complete", redacted.parametersJson(), false));
    }

    @Test
    void requestsDifferInEveryPart() {
        Map<String, Object> parameters = Map.of("email", "a@example.org");

        assertThat(REQUEST)
                .isEqualTo(Request.of("POST", "/carts/42/complete", parameters))
                .isNotEqualTo(Request.of("PUT", "/carts/42/complete", parameters))
                .isNotEqualTo(Request.of("POST", "/carts/43/complete", parameters))
                .isNotEqualTo(Request.of("POST", "/carts/42/complete", Map.of()))
                .isNotEqualTo("POST /carts/42/complete");
    }

    @Test
    void theTextShowsNoParameters() {
        assertThat(REQUEST).hasToString("POST /carts/42/complete");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "PO ST", "POST\n", "PÖST", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"})
    void anIllegalMethodIsRefused(String method) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Request.of(method, "/", Map.of()))
                .withMessageContaining("argument 'method'")
                .withMessageContaining("1 to 32 visible ASCII characters");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "/\n", "/\u0000", "/\u0085", "/\ud800"})
    void anIllegalPathIsRefused(String path) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Request.of("GET", path, Map.of()))
                .withMessageContaining("argument 'path'")
                .withMessageContaining("1 to 2048 characters");
    }

    @Test
    void methodAndPathHaveALongestLength() {
        assertThat(Request.of("M".repeat(32), "/".repeat(2048), Map.of()).path())
                .hasSize(2048);
        assertThatIllegalArgumentException().isThrownBy(() -> Request.of("GET", "/".repeat(2049), Map.of()));
    }

    @Test
    void theFingerprintOfVersionOneIsThisOneForEver() {
        Map<String, Object> parameters = new LinkedHashMap<>();
        parameters.put("quantity", 2.0);
        parameters.put("email", "é@example.org");

        // Computed with another language's SHA-256 over the four parts, each after its length in four bytes.
        assertThat(Fingerprint.of("complete-cart", Request.of("POST", "/carts/42/complete", parameters)))
                .hasToString("v1:2221d228ad2c638d5a280d9043b0552a66dc56e3851b937324da91158d7c4abd");
        assertThat(Request.of("POST", "/", parameters).parametersJson())
                .isEqualTo("{\"email\":\"é@example.org\",\"quantity\":2}");
    }

    @Test
    void theFingerprintTellsEveryDifference() {
        Set<String> fingerprints = new TreeSet<>();
        List<Fingerprint> all = List.of(
                Fingerprint.of("", Request.of("POST", "/a", Map.of())),
                Fingerprint.of("a", Request.of("POST", "/a", Map.of())),
                Fingerprint.of("", Request.of("PUT", "/a", Map.of())),
                Fingerprint.of("", Request.of("POST", "/b", Map.of())),
                Fingerprint.of("P", Request.of("OST", "/a", Map.of())),
                Fingerprint.of("", Request.of("POST/", "a", Map.of())),
                Fingerprint.of("", Request.of("POST", "/a", Map.of("n", 1))),
                Fingerprint.of("", Request.of("POST", "/a", Map.of("n", "1"))),
                Fingerprint.of("", Request.of("POST", "/a", Map.of("n", true))),
                Fingerprint.of("", Request.of("POST", "/a", Map.of("n", "true"))),
                Fingerprint.of("", Request.of("POST", "/a", Map.of("n", List.of()))),
                Fingerprint.of("", Request.of("POST", "/a", Map.of("n", Map.of()))),
                Fingerprint.of("", Request.of("POST", "/a", Map.of("n", List.of(1, 2)))),
                Fingerprint.of("", Request.of("POST", "/a", Map.of("n", List.of(2, 1)))),
                Fingerprint.of("", Request.of("POST", "/a", Map.of("n", "é"))),
                Fingerprint.of(
                        "", Request.of("POST", "/a", Map.of("n", Normalizer.normalize("é", Normalizer.Form.NFD)))));
        all.forEach(fingerprint -> fingerprints.add(fingerprint.value()));

        assertThat(fingerprints).hasSameSizeAs(all);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "v1", "v1:", "v0:ab", "v01:ab", "1:ab", "v1:a b", "v12345:ab"})
    void anIllegalFingerprintIsRefused(String value) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new Fingerprint(value))
                .withMessageContaining("argument 'value'");
    }

    @Test
    void aFingerprintOfANewerVersionIsLegal() {
        assertThat(new Fingerprint("v9999:" + "x".repeat(120)).value()).hasSize(126);
    }
}
