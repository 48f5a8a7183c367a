package io.idempotencykey.service;

import static io.idempotencykey.RecoveryPoint.STARTED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.port.KeyStore.SingleStage;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Keys of which something is stored that this version of the library can't read. */
class UnreadableKeyTest {
    private static final KeyId ID = KeyId.of("12345678-secret");
    private static final Request REQUEST = Request.of("POST", "/orders", Map.of());
    private static final Response DONE = Response.of(201, "text/plain", "done");
    private static final StoreFailure UNREADABLE =
            new StoreFailure(StoreFailure.Kind.UNREADABLE, "its format is 2", null);

    private boolean isUnreadable;
    private int reads;
    private @Nullable StoreFailure writing;
    private @Nullable StageCommit ending;
    private final MapKeyStore store = new MapKeyStore() {
        @Override
        public Optional<StoredKey> find(KeyId id) {
            reads++;
            if (isUnreadable) {
                throw UNREADABLE;
            }
            return super.find(id);
        }

        @Override
        public boolean replace(Revision expected, StoredKey next) {
            StoreFailure failure = writing;
            if (failure != null) {
                writing = null;
                throw failure;
            }
            return super.replace(expected, next);
        }

        @Override
        public StageCommit commitSingle(
                StoredKey taken, Isolation isolation, Duration lease, SingleStage<List<String>> stage) {
            StageCommit end = ending;
            return end == null ? super.commitSingle(taken, isolation, lease, stage) : end;
        }

        @Override
        public StageCommit commitStage(
                StoredKey held, Isolation isolation, Duration lease, Function<List<String>, StoredProgress> work) {
            StageCommit end = ending;
            return end == null ? super.commitStage(held, isolation, lease, work) : end;
        }
    };
    private final IdempotencyKeyService<List<String>> keys = new IdempotencyKeyService<>(store);

    static Stream<Named<Consumer<IdempotencyKeyService<List<String>>>>> calls() {
        return Stream.of(
                Named.of("retrieve", keys -> keys.retrieve(ID)),
                Named.of("lock", keys -> keys.lock(ID)),
                Named.of("claim", keys -> keys.claim(ID, REQUEST)),
                Named.of("initialize", keys -> keys.initializeRequest("", ID.value(), REQUEST)),
                Named.of(
                        "retrieveUnchanged",
                        keys -> new OperatorActions(keys).retrieveUnchanged(ID, UUID.randomUUID(), Instant.EPOCH)));
    }

    @ParameterizedTest
    @MethodSource("calls")
    void aKeyThatCanNotBeReadIsReadOnceAndNamed(Consumer<IdempotencyKeyService<List<String>>> call) {
        keys.create("", ID.value(), REQUEST);
        isUnreadable = true;
        reads = 0;

        assertThatExceptionOfType(IdempotencyException.UnreadableKey.class)
                .isThrownBy(() -> call.accept(keys))
                .withMessageContaining("key 12345678…")
                .withMessageContaining("trying again won't help")
                .withCause(UNREADABLE)
                .satisfies(e -> assertThat(e.keyId()).contains(ID))
                .satisfies(e -> assertThat(e.retryAfter()).isEmpty());

        assertThat(reads).isEqualTo(1);
    }

    @Test
    void aSingleStageDoesNotRunForAKeyThatCanNotBeRead() {
        ending = StageCommit.rolledBack(UNREADABLE);

        assertThatExceptionOfType(IdempotencyException.UnreadableKey.class)
                .isThrownBy(() -> keys.once("op", ID, REQUEST, stage -> DONE))
                .withCause(UNREADABLE);
    }

    /** What the stage threw is the caller's, and the key's own trouble comes along. */
    @Test
    void aStagesExceptionIsThrownThoughItsKeyCanNotBeRead() {
        IllegalStateException thrown = new IllegalStateException("no stock");

        Throwable told = catchThrowable(() -> keys.once("op", ID, REQUEST, stage -> {
            isUnreadable = true;
            throw thrown;
        }));

        assertThat(told).isSameAs(thrown);
        assertThat(told.getSuppressed()).singleElement().isInstanceOf(IdempotencyException.UnreadableKey.class);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aLookUpThatFindsWhatCanNotBeReadSaysSoAndWhatWentBefore(boolean isStaged) {
        StoreFailure conflict = new StoreFailure(StoreFailure.Kind.TRANSIENT, "conflict", null);
        Operation.Builder<List<String>> builder = keys.operation("op").respond(STARTED, stage -> DONE);
        Operation<List<String>> operation = (isStaged ? builder.staged() : builder).build();
        isUnreadable = true;
        ending = StageCommit.transientlyRolledBack(conflict);

        Throwable told = catchThrowable(() -> keys.run(operation, ID, REQUEST));

        assertThat(told).isInstanceOf(IdempotencyException.UnreadableKey.class);
        assertThat(StoreFailure.chain(told)).contains(UNREADABLE, conflict);
    }

    @Test
    void aWriteThatMeetsWhatCanNotBeReadIsNotMade() {
        HeldKey held = ((Claim.Claimed) keys.claim(ID, REQUEST)).key();
        writing = UNREADABLE;

        assertThatExceptionOfType(IdempotencyException.UnreadableKey.class)
                .isThrownBy(() -> keys.unlock(held))
                .withCause(UNREADABLE);
    }
}
