package io.idempotencykey;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InvalidObjectException;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.io.Serializable;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What an error says, also where it was serialized on its way. */
class IdempotencyExceptionTest {
    private static final KeyId ID = new KeyId("shop", "a-key-that-may-be-a-secret");
    private static final Response RESPONSE =
            Response.of(201, "text/plain", "done").withHeader("X-A", "1").withHeader("x-a", "2");
    private static final Fingerprint ONE = new Fingerprint("v1:1");
    private static final Fingerprint OTHER = new Fingerprint("v1:2");
    private static final RecoveryPoint PAID = RecoveryPoint.named("paid");
    private static final IOException CAUSE = new IOException("connection reset");

    static Stream<IdempotencyException> errors() {
        return Stream.of(
                new IdempotencyException.InvalidKey("no key"),
                new IdempotencyException.NotFound(ID),
                new IdempotencyException.KeyExists(ID),
                new IdempotencyException.Locked(ID, Duration.ofSeconds(7)),
                new IdempotencyException.StaleKey(ID, CAUSE),
                new IdempotencyException.AlreadyFinished(ID, RESPONSE),
                new IdempotencyException.Mismatch(ID, ONE, OTHER),
                new IdempotencyException.Quarantined(ID, "too many attempts"),
                new IdempotencyException.UnknownRecoveryPoint(ID, PAID, Set.of(RecoveryPoint.STARTED)),
                new IdempotencyException.ResponseTooLarge(ID, 12, 11),
                new IdempotencyException.RetriesExhausted(ID, 5, CAUSE),
                new IdempotencyException.StoreFull(ID, CAUSE),
                new IdempotencyException.StoreUnavailable(null, CAUSE),
                new IdempotencyException.UnreadableKey(ID, CAUSE),
                new IdempotencyException.OutcomeUnknown(ID, CAUSE));
    }

    @Test
    void everyKindIsAmongTheErrorsOfThisTest() {
        assertThat(errors().map(Object::getClass))
                .containsExactlyInAnyOrder(IdempotencyException.class.getPermittedSubclasses());
    }

    @ParameterizedTest
    @MethodSource("errors")
    void anErrorSaysTheSameAfterItWasSerialized(IdempotencyException error) throws Exception {
        assertThat(copied(error)).usingRecursiveComparison().isEqualTo(error);
        assertThat(copied(error).keyId()).isEqualTo(error.keyId());
    }

    @Test
    void aSerializedResponseIsCheckedWhenItIsRead() throws Exception {
        assertThat(copied(RESPONSE)).isEqualTo(RESPONSE);
        assertThat(copied(RESPONSE).header("x-A")).isEqualTo("1");
        byte[] forged = replaced(serialized(RESPONSE), "text/plain", "text/pla\u0007n");

        assertThatThrownBy(() -> read(forged)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void aResponseIsNotReadPastItsChecks() throws Exception {
        byte[] forged = replaced(serialized(new Impostor()), "Impostor", "Response");

        assertThatThrownBy(() -> read(forged)).isInstanceOf(InvalidObjectException.class);
    }

    private static byte[] replaced(byte[] bytes, String text, String by) {
        String replaced = new String(bytes, StandardCharsets.ISO_8859_1).replace(text, by);
        return replaced.getBytes(StandardCharsets.ISO_8859_1);
    }

    @SuppressWarnings("unchecked")
    private static <V> V copied(V value) throws IOException, ClassNotFoundException {
        return (V) read(serialized(value));
    }

    private static byte[] serialized(Object value) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ObjectOutputStream out = new ObjectOutputStream(bytes)) {
            out.writeObject(value);
        }
        return bytes.toByteArray();
    }

    private static Object read(byte[] bytes) throws IOException, ClassNotFoundException {
        try (ObjectInputStream in = new ObjectInputStream(new ByteArrayInputStream(bytes))) {
            return in.readObject();
        }
    }
}

/** What pretends to be a response, of which nothing was checked; its name is as long. */
final class Impostor implements Serializable {
    private static final long serialVersionUID = 1L;
}
