package io.idempotencykey;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.math.BigDecimal;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class ParametersTest {
    private static Parameters parameters() {
        Map<String, @Nullable Object> map = new HashMap<>();
        map.put("email", "a@example.org");
        map.put("gift", true);
        map.put("quantity", 2.0);
        map.put("price", new BigDecimal("19.90"));
        map.put("note", null);
        map.put("huge", new BigDecimal("1E+999999"));
        map.put("address", Map.of("city", "Bremen", "floor", 3));
        map.put("items", List.of(Map.of("sku", "mug"), Map.of("sku", 7)));
        map.put("tags", List.of("a", "b"));
        map.put("mixed", List.of("a", 1));
        return Request.of("POST", "/orders", map).typed();
    }

    @Test
    void eachTypeIsReadByName() {
        Parameters parameters = parameters();

        assertThat(parameters.text("email")).isEqualTo("a@example.org");
        assertThat(parameters.flag("gift")).isTrue();
        assertThat(parameters.integer("quantity")).isEqualTo(2);
        assertThat(parameters.decimal("price")).isEqualByComparingTo("19.9");
        assertThat(parameters.object("address").text("city")).isEqualTo("Bremen");
        assertThat(parameters.objects("items").get(0).text("sku")).isEqualTo("mug");
        assertThat(parameters.texts("tags")).containsExactly("a", "b");
    }

    @Test
    void aParameterThatIsMissingOrNullIsNotThere() {
        assertThat(parameters().has("email")).isTrue();
        assertThat(parameters().has("note")).isFalse();
        assertThat(parameters().has("coupon")).isFalse();
    }

    @Test
    void theLargestAndTheSmallestWholeNumberAreRead() {
        Parameters limits = Request.of("POST", "/", Map.of("least", Long.MIN_VALUE, "most", Long.MAX_VALUE))
                .typed();

        assertThat(limits.integer("least")).isEqualTo(Long.MIN_VALUE);
        assertThat(limits.integer("most")).isEqualTo(Long.MAX_VALUE);
    }

    static Stream<Arguments> refused() {
        return Stream.of(
                row(p -> p.text("coupon"), "coupon", "parameter 'coupon' is missing or null; it has to be a string"),
                row(p -> p.text("note"), "note", "parameter 'note' is missing or null; it has to be a string"),
                row(p -> p.text("gift"), "gift", "parameter 'gift' is 'true'; it has to be a string"),
                row(
                        p -> p.flag("email"),
                        "email",
                        "parameter 'email' is 'a@exampl…' (13 characters); it has to be true or false"),
                row(p -> p.decimal("email"), "email", "it has to be a number"),
                row(p -> p.integer("price"), "price", "parameter 'price' is '19.9'; it has to be a whole number"),
                row(p -> p.integer("huge"), "huge", "it has to be a whole number of at most 64 bits"),
                row(p -> p.object("tags"), "tags", "it has to be an object"),
                row(p -> p.objects("address"), "address", "it has to be a list"),
                row(p -> p.objects("tags"), "tags[0]", "parameter 'tags[0]' is 'a'; it has to be an object"),
                row(p -> p.texts("mixed"), "mixed[1]", "parameter 'mixed[1]' is '1'; it has to be a string"),
                row(p -> p.object("address").text("floor"), "address.floor", "parameter 'address.floor' is '3'"),
                row(p -> p.objects("items").get(1).text("sku"), "items[1].sku", "parameter 'items[1].sku' is '7'"));
    }

    private static Arguments row(Function<Parameters, Object> read, String name, String message) {
        return Arguments.of(read, name, message);
    }

    @ParameterizedTest
    @MethodSource("refused")
    void anotherTypeIsRefusedWithThePlaceThatItStandsAt(
            Function<Parameters, Object> read, String name, String message) {
        assertThatExceptionOfType(Parameters.Invalid.class)
                .isThrownBy(() -> read.apply(parameters()))
                .withMessageContaining(message)
                .satisfies(e -> assertThat(e.name()).isEqualTo(name));
    }

    @Test
    void theirTextShowsNoValue() {
        assertThat(parameters()).hasToString("Parameters[10]");
    }

    @Test
    void aMessageIsARequestOfItsSource() {
        Request message = Request.ofMessage("orders", Map.of("id", 7));

        assertThat(message).hasToString("MESSAGE orders");
        assertThat(message).isNotEqualTo(Request.ofMessage("refunds", Map.of("id", 7)));
    }
}
