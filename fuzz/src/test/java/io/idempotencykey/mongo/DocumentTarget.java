package io.idempotencykey.mongo;

import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.inmemory.InMemoryKeyStore;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.service.Completer;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.KeyEvent;
import io.idempotencykey.service.Operation;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.bson.BsonDocument;

/**
 * A document that somebody edited is a key, which is written to the same again and can be worked on, or else a clear
 * error.
 *
 * <p>The input is a document in MongoDB's extended JSON.
 */
public final class DocumentTarget {
    private static final Request REQUEST = Request.of("POST", "/carts/42", Map.of("cart", 42));

    private DocumentTarget() {}

    /** Reads the document, and asks for its key. */
    public static void fuzzerTestOneInput(byte[] input) {
        BsonDocument document;
        try {
            document = BsonDocument.parse(new String(input, StandardCharsets.UTF_8));
        } catch (RuntimeException e) {
            // Not a document.
            return;
        }
        assertThat(KeyDocument.shownId(document)).hasSizeLessThan(300).doesNotContainPattern("\\p{Cntrl}");
        StoredKey key;
        try {
            key = KeyDocument.read(document);
        } catch (StoreFailure e) {
            assertThat(e.kind()).isEqualTo(StoreFailure.Kind.UNREADABLE);
            assertThat(e.getMessage())
                    .startsWith("a stored key can't be read, and is left as it is: ")
                    .doesNotContainPattern("\\p{Cntrl}");
            return;
        }
        BsonDocument again = KeyDocument.insert(key, null);
        document.remove(KeyDocument.SESSIONS);
        assertThat(again.keySet()).isEqualTo(document.keySet());
        StoredKey written = KeyDocument.read(again);
        assertThat(written.id()).isEqualTo(key.id());
        assertThat(written.progress()).isEqualTo(key.progress());
        assertThat(KeyDocument.replace(key, null, null)).isNotEmpty();
        assertThat(KeyDocument.advance(key.progress(), null, null)).isNotEmpty();
        assertIsServed(key);
    }

    private static void assertIsServed(StoredKey key) {
        InMemoryKeyStore<Object> store = InMemoryKeyStore.withoutRollback(Object::new);
        List<Throwable> failures = new ArrayList<>();
        IdempotencyKeyService<Object> service = IdempotencyKeyService.builder(store)
                .replayCacheBytes(0)
                .listener(event -> {
                    if (event instanceof KeyEvent.CompletionFailed failed) {
                        failures.add(failed.cause());
                    }
                })
                .build();
        Operation<Object> operation = service.operation("complete-cart")
                .respond(RecoveryPoint.STARTED, stage -> Response.of(200, new byte[0]))
                .staged()
                .build();
        store.insert(key);
        KeyId other = KeyId.of(key.id().scope(), key.id().value().equals("other") ? "another" : "other");
        Completer.builder(service).operation(operation).build().runOnce();
        assertThat(failures).allMatch(IdempotencyException.class::isInstance);
        try {
            service.run(operation, key.id(), REQUEST);
        } catch (IdempotencyException e) {
            assertThat(e.getMessage()).isNotEmpty();
        }
        assertThat(service.run(operation, other, REQUEST).key().state()).isInstanceOf(KeyState.Finished.class);
    }
}
