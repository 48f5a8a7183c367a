package io.idempotencykey;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import io.idempotencykey.IdempotencyException.InvalidKey;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class KeyIdTest {
    @Test
    void everyVisibleAsciiCharacterIsLegal() {
        StringBuilder all = new StringBuilder();
        for (char c = '!'; c <= '~'; c++) {
            all.append(c);
        }

        assertThat(KeyId.of(all.toString(), all.toString()).value()).isEqualTo(all.toString());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"", " ", "a b", "a\t", "\n", "\u0000", "\u001f", "\u007f", "\u0080", "é", "😀", "\ud800", "ａ"})
    void everyOtherCharacterIsRefused(String illegal) {
        assertThatExceptionOfType(InvalidKey.class)
                .isThrownBy(() -> KeyId.of(illegal))
                .withMessageContaining("argument 'value'")
                .withMessageContaining("1 to 255 visible ASCII characters");
        if (!illegal.isEmpty()) {
            assertThatExceptionOfType(InvalidKey.class)
                    .isThrownBy(() -> KeyId.of(illegal, "key"))
                    .withMessageContaining("argument 'scope'")
                    .withMessageContaining("0 to 255 visible ASCII characters");
        }
    }

    @Test
    void aPartHasAtMost255Characters() {
        String longest = "k".repeat(255);

        assertThat(KeyId.of(longest, longest).scope()).isEqualTo(longest);
        assertThatExceptionOfType(InvalidKey.class).isThrownBy(() -> KeyId.of("k".repeat(256)));
        assertThatExceptionOfType(InvalidKey.class).isThrownBy(() -> KeyId.of("k".repeat(256), "key"));
    }

    @Test
    void aRefusedValueIsShownCutToEightCharactersAndWithoutControlCharacters() {
        assertThatExceptionOfType(InvalidKey.class)
                .isThrownBy(() -> KeyId.of("a\n" + "b".repeat(300)))
                .withMessageContaining("'a\\u000abbbbbb…' (302 characters)")
                .withMessageNotContaining("bbbbbbb")
                .withMessageNotContaining("\n");
        assertThatExceptionOfType(InvalidKey.class)
                .isThrownBy(() -> KeyId.of(" bbbbbbb"))
                .withMessageContaining("' bbbbbbb'; allowed");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"secret key of a client", "\"secret key of a client", "secretkey,ofaclient", "\"secret\\key\""})
    void aRefusedHeaderIsShownCutToEightCharacters(String header) {
        assertThatExceptionOfType(InvalidKey.class)
                .isThrownBy(() -> KeyId.fromHeader("", header))
                .withMessageContaining("is '" + header.substring(0, 8) + "…'")
                .withMessageNotContaining(header.substring(0, 9));
    }

    /** It names a tenant, a user or an endpoint, and is shown wherever a key is. */
    @Test
    void aRefusedScopeIsShownCutTo64Characters() {
        assertThatExceptionOfType(InvalidKey.class)
                .isThrownBy(() -> KeyId.of("s".repeat(300), "key"))
                .withMessageContaining("'" + "s".repeat(64) + "…' (300 characters)");
    }

    @Test
    void nullIsRefusedByName() {
        assertThatNullPointerException().isThrownBy(() -> nullValue()).withMessageContaining("argument 'value'");
        assertThatNullPointerException().isThrownBy(() -> nullScope()).withMessageContaining("argument 'scope'");
    }

    @SuppressWarnings("NullAway")
    private static KeyId nullValue() {
        return KeyId.of("", null);
    }

    @SuppressWarnings("NullAway")
    private static KeyId nullScope() {
        return KeyId.of(null, "key");
    }

    @ParameterizedTest
    @CsvSource(
            quoteCharacter = '`',
            value = {
                "`abc`, `abc`",
                "`\"abc\"`, `abc`",
                "` \t\"abc\" `, `abc`",
                "` abc\t`, `abc`",
                "`\"a\\\"b\\\\c\"`, `a\"b\\c`",
                "`\"a,b;c=d\"`, `a,b;c=d`",
                "`Zm9v+/8=:1`, `Zm9v+/8=:1`",
                "`!#$%&'()*+-./:<=>?@[]^_{|}~`, `!#$%&'()*+-./:<=>?@[]^_{|}~`",
                "`8e03978e-40d5-43dd-bc93-6894a57f9324`, `8e03978e-40d5-43dd-bc93-6894a57f9324`"
            })
    void aHeaderHoldsAQuotedStringOrTheBareKey(String header, String value) {
        assertThat(KeyId.fromHeader("shop", header)).isEqualTo(KeyId.of("shop", value));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                " ",
                "\"",
                "\"\"",
                "\"abc",
                "\"abc\"\"",
                "abc\"",
                "a\"b",
                "\"abc\" x",
                "\"abc\";p=1",
                "\"abc\" ;p=1",
                "\"abc\",\"abc\"",
                "\"abc\",abc",
                "abc,\"abc\"",
                "abc,abc",
                "abc, abc",
                ",abc",
                "abc,",
                "abc;p=1",
                "a\\bc",
                "a\tb",
                "\"a\\bc\"",
                "\"abc\\\"",
                "\"abc\\",
                "\"a b\"",
                "\"a\u0007\"",
                "a b",
                "\"a\", \"b\"",
                "\u00a0abc"
            })
    void anyOtherHeaderIsRefused(String header) {
        assertThatExceptionOfType(InvalidKey.class)
                .isThrownBy(() -> KeyId.fromHeader("", header))
                .satisfies(e -> assertThat(e.httpStatus()).isEqualTo(400));
    }

    @Test
    void aMissingHeaderIsRefusedWithWhatToDo() {
        assertThatExceptionOfType(InvalidKey.class)
                .isThrownBy(() -> KeyId.fromHeader("", null))
                .withMessageContaining("send one in the Idempotency-Key header");
    }

    @Test
    void theTextShowsEightCharactersOfTheValue() {
        assertThat(KeyId.of("secret-key-of-a-client")).hasToString("secret-k…");
        assertThat(KeyId.of("shop", "12345678")).hasToString("shop/12345678");
    }
}
