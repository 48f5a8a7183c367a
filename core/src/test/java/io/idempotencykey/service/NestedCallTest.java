package io.idempotencykey.service;

import static io.idempotencykey.RecoveryPoint.STARTED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Stages that call the service themselves, while they hold the only connection that there is. */
class NestedCallTest {
    private static final KeyId ID = KeyId.of("outer");
    private static final KeyId INNER = KeyId.of("inner");
    private static final Request REQUEST = Request.of("POST", "/orders", Map.of());
    private static final Response DONE = Response.of(201, "text/plain", "done");

    private boolean isTaken;
    /** What the transaction calls before it commits. */
    private Runnable callback = () -> {};

    private final AtomicInteger runs = new AtomicInteger();

    /** A store with one connection, which calls a lack of connections transient, as drivers do. */
    private final MapKeyStore store = new MapKeyStore() {
        @Override
        public Optional<StoredKey> find(KeyId id) {
            connect();
            return super.find(id);
        }

        @Override
        public boolean insert(StoredKey key) {
            connect();
            return super.insert(key);
        }

        @Override
        public StageCommit commitStage(
                StoredKey held, Isolation isolation, Duration lease, Function<List<String>, StoredProgress> work) {
            StageCommit end = super.commitStage(held, isolation, lease, transaction -> {
                isTaken = true;
                try {
                    StoredProgress next = work.apply(transaction);
                    callback.run();
                    return next;
                } finally {
                    isTaken = false;
                }
            });
            return asDriversSay(end);
        }

        @Override
        public StageCommit commitSingle(
                StoredKey taken, Isolation isolation, Duration lease, SingleStage<List<String>> stage) {
            if (isTaken) {
                return StageCommit.rolledBack(noConnection());
            }
            return asDriversSay(super.commitSingle(taken, isolation, lease, new SingleStage<>() {
                @Override
                public boolean replaces(StoredKey stored) {
                    return stage.replaces(stored);
                }

                @Override
                public StoredProgress work(List<String> transaction) {
                    isTaken = true;
                    try {
                        StoredProgress next = stage.work(transaction);
                        callback.run();
                        return next;
                    } finally {
                        isTaken = false;
                    }
                }
            }));
        }
    };

    private final IdempotencyKeyService<List<String>> keys = new IdempotencyKeyService<>(store);

    private void connect() {
        if (isTaken) {
            throw noConnection();
        }
    }

    private static StoreFailure noConnection() {
        return new StoreFailure(StoreFailure.Kind.UNAVAILABLE, "no connection is free", null);
    }

    private static StageCommit asDriversSay(StageCommit end) {
        Throwable cause = end.cause();
        return cause != null && StoreFailure.chain(cause).stream().anyMatch(StoreFailure.class::isInstance)
                ? StageCommit.transientlyRolledBack(cause)
                : end;
    }

    private Operation<List<String>> operation(boolean isStaged, boolean wraps) {
        Operation.Builder<List<String>> builder = keys.operation("op").respond(STARTED, stage -> {
            runs.incrementAndGet();
            try {
                return keys.once("inner", INNER, REQUEST, unused -> DONE).response();
            } catch (IdempotencyException e) {
                throw wraps ? new IllegalArgumentException("no stock", e) : e;
            }
        });
        return (isStaged ? builder.staged() : builder).build();
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void whatACallOfTheServiceMeetsWithinAStageIsTheStagesOwnFailureOnce(boolean isStaged) {
        Throwable told = catchThrowable(() -> keys.run(operation(isStaged, false), ID, REQUEST));

        assertThat(told)
                .isInstanceOfSatisfying(
                        IdempotencyException.StoreUnavailable.class,
                        e -> assertThat(e.keyId()).contains(INNER));
        assertThat(runs).hasValue(1);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void soIsWhatTheStageMakesOfIt(boolean isStaged) {
        Throwable told = catchThrowable(() -> keys.run(operation(isStaged, true), ID, REQUEST));

        assertThat(told).isInstanceOf(IllegalArgumentException.class).hasMessage("no stock");
        assertThat(runs).hasValue(1);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void soIsWhatACallbackOfItsTransactionMeets(boolean isStaged) {
        callback = () -> {
            runs.incrementAndGet();
            keys.once("inner", INNER, REQUEST, unused -> DONE);
        };
        Operation.Builder<List<String>> operation = keys.operation("op").respond(STARTED, stage -> DONE);

        Throwable told =
                catchThrowable(() -> keys.run((isStaged ? operation.staged() : operation).build(), ID, REQUEST));

        assertThat(told)
                .isInstanceOfSatisfying(
                        IdempotencyException.StoreUnavailable.class,
                        e -> assertThat(e.keyId()).contains(INNER));
        assertThat(runs).hasValue(1);
    }

    /** The stage's own trouble with the store, by contrast, passes. */
    @Test
    void aStageThatMeetsTheSameByItselfIsRunAgain() {
        assertThat(keys.once("op", ID, REQUEST, stage -> {
                            if (runs.incrementAndGet() == 1) {
                                throw noConnection();
                            }
                            return DONE;
                        })
                        .response())
                .isEqualTo(DONE);
    }
}
