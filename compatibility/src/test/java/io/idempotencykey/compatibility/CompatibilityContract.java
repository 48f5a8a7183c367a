package io.idempotencykey.compatibility;

import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.port.KeyStore;
import io.idempotencykey.service.Completer;
import io.idempotencykey.service.Execution;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import io.idempotencykey.service.OperatorActions;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.BiFunction;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What version 0.1 has stored, this version goes on with; and both may serve from one store. */
@Timeout(10 * 60)
abstract class CompatibilityContract<T> {
    private static final RecoveryPoint PAID = RecoveryPoint.named("paid");
    private static final int REQUESTS = 40;
    private static final long LONGEST_SECONDS = 120;

    @TempDir
    private Path folder;

    private FirstVersion first;

    @SuppressWarnings("NullAway.Init") // each test starts it
    private IdempotencyKeyService<T> keys;

    @BeforeEach
    void open() throws Exception {
        openIn(folder);
    }

    final void openIn(Path folder) throws Exception {
        first = new FirstVersion(folder);
        makeTheFirstVersionsStore(first);
    }

    @AfterEach
    abstract void close() throws Exception;

    abstract void makeTheFirstVersionsStore(FirstVersion first) throws Exception;

    /** Puts in what version 0.1 had stored, which is kept beside the tests. */
    abstract void load() throws Exception;

    abstract void upgrade() throws Exception;

    /** An application of version 0.1 on the store. */
    abstract FirstVersion.Server firstVersion(FirstVersion first) throws Exception;

    abstract KeyStore<T> store() throws Exception;

    abstract void write(T handle, String text);

    /** What stages have written. */
    abstract List<String> written() throws Exception;

    private void start() throws Exception {
        upgrade();
        keys = new IdempotencyKeyService<>(store());
    }

    /** Starts this version and, on the same store, an application of version 0.1. */
    private FirstVersion.Server startBoth() throws Exception {
        start();
        return firstVersion(first);
    }

    /** The same request as version 0.1's application has. */
    private static Request request(String value) {
        return Request.of(
                "POST", "/carts/" + value, Map.of("email", "ädä@example.org", "total", 12.50, "note", "a\u0000b"));
    }

    private Operation<T> operation(String value, String failing) {
        return keys.operation("two-stages")
                .stage(RecoveryPoint.STARTED, stage -> {
                    failIf(failing.equals("at once"));
                    write(stage.transaction(), value + " reserved");
                })
                .respond(PAID, stage -> {
                    failIf(!failing.isEmpty());
                    write(stage.transaction(), value + " ordered");
                    return Response.of(201, "text/plain; charset=utf-8", "ordered " + value);
                })
                .build();
    }

    private Operation<T> oneStage(String value) {
        return keys.operation("one-stage")
                .respond(RecoveryPoint.STARTED, stage -> {
                    write(stage.transaction(), value + " ordered");
                    return Response.of(201, "text/plain; charset=utf-8", "ordered " + value);
                })
                .build();
    }

    private static void failIf(boolean asked) {
        if (asked) {
            throw new IllegalStateException("it fails, as it was asked to");
        }
    }

    /** Runs a request in this version, and says as version 0.1's application does what its client gets. */
    private String run(String value, String failing) {
        try {
            Operation<T> operation = failing.equals("one stage") ? oneStage(value) : operation(value, failing);
            Execution execution = keys.run(operation, KeyId.of(value), request(value));
            return execution.response().status() + " " + text(execution.response());
        } catch (IdempotencyException e) {
            return e.getClass().getSimpleName() + " " + e.httpStatus();
        } catch (IllegalStateException e) {
            return String.valueOf(e.getMessage());
        }
    }

    private static String text(Response response) {
        return new String(response.body(), StandardCharsets.UTF_8);
    }

    @Test
    void everyKeyOfTheFirstVersionIsReadAsItWasWritten() throws Exception {
        load();
        start();

        assertThat(key("created").state()).isInstanceOf(KeyState.Open.class);
        assertThat(key("created").request()).isEqualTo(request("created"));
        assertThat(key("locked").state()).isInstanceOf(KeyState.Locked.class);
        IdempotencyKey open = key("open");
        assertThat(open.state()).isInstanceOf(KeyState.Open.class);
        assertThat(open.recoveryPoint()).isEqualTo(PAID);
        assertThat(open.operation()).isEqualTo("two-stages");
        assertThat(open.lastError()).contains("it fails, as it was asked to");
        assertThat(key("quarantined").state()).isInstanceOf(KeyState.Quarantined.class);
        KeyState.Finished finished = (KeyState.Finished) key("finished").state();
        assertThat(finished.response())
                .isEqualTo(Response.of(201, "text/plain; charset=utf-8", "ördered finished")
                        .withHeader("X-By", "0.1"));
        assertThat(Duration.between(finished.finishedAt(), finished.expiresAt()))
                .isEqualTo(Duration.ofDays(3650));
        assertThat(new OperatorActions(keys).listUnfinished(null, null, 10)).hasSize(3);
        assertThat(new OperatorActions(keys).listQuarantined(null, null, 10)).hasSize(1);
    }

    private IdempotencyKey key(String value) {
        return keys.retrieve(KeyId.of(value));
    }

    @Test
    void everyRequestOfTheFirstVersionGoesOnWhereItStood() throws Exception {
        load();
        start();

        assertThat(run("finished", "")).isEqualTo("201 ördered finished");
        assertThat(run("open", "")).isEqualTo("201 ordered open");
        assertThat(run("quarantined", "")).isEqualTo("Quarantined 409");
        OperatorActions actions = new OperatorActions(keys);
        actions.retry(actions.listQuarantined(null, null, 10).get(0), "alice");
        assertThat(run("quarantined", "")).isEqualTo("201 ordered quarantined");

        // Only the second stages: the first ones' writes were the first version's.
        assertThat(written()).containsExactlyInAnyOrder("open ordered", "quarantined ordered");
        // These two belong to no operation, so they are someone else's to whoever asks for one.
        assertThat(run("created", "")).isEqualTo("Mismatch 422");
        assertThat(keys.lock(KeyId.of("created")).key().recoveryPoint()).isEqualTo(RecoveryPoint.STARTED);
        assertThat(keys.lock(KeyId.of("locked")).key().attempts()).isEqualTo(2);
    }

    @Test
    void theKeysForOtherSystemsAreThoseOfTheFirstVersion() throws Exception {
        load();
        start();

        assertThat(firstVersion(first).requests().apply("open", "derived key"))
                .isEqualTo(key("open").derivedKey("charge"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "one stage"})
    void bothVersionsAnswerTheSameRequestAtOnce(String how) throws Exception {
        FirstVersion.Server former = startBoth();
        List<CompletableFuture<List<String>>> answers = new ArrayList<>();
        List<String> expected = new ArrayList<>();
        for (int i = 0; i < REQUESTS; i++) {
            String value = "key-" + i;
            answers.add(answer(former.requests(), value, how).thenCombine(answer(this::run, value, how), List::of));
            expected.add(value + " ordered");
            if (how.isEmpty()) {
                expected.add(value + " reserved");
            }
        }

        for (int i = 0; i < REQUESTS; i++) {
            List<String> both = answers.get(i).get(LONGEST_SECONDS, TimeUnit.SECONDS);
            assertThat(both.get(0)).isEqualTo(both.get(1)).contains("dered key-" + i);
        }
        assertThat(written()).containsExactlyInAnyOrderElementsOf(expected);
    }

    @Test
    void eachVersionGoesOnWithWhatTheOtherBegan() throws Exception {
        FirstVersion.Server former = startBoth();
        assertThat(former.requests().apply("one", "later")).contains("as it was asked to");
        assertThat(run("other", "later")).contains("as it was asked to");

        assertThat(run("one", "")).isEqualTo("201 ordered one");
        assertThat(former.requests().apply("other", "")).isEqualTo("201 ördered other");

        assertThat(written())
                .containsExactlyInAnyOrder("one reserved", "one ordered", "other reserved", "other ordered");
    }

    /** Sends a request until it has its answer. */
    private static CompletableFuture<String> answer(
            BiFunction<String, String, String> server, String value, String how) {
        return CompletableFuture.supplyAsync(() -> {
            long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(LONGEST_SECONDS);
            String answer = server.apply(value, how);
            while (!answer.startsWith("201 ") && System.nanoTime() < end) {
                Thread.onSpinWait();
                answer = server.apply(value, how);
            }
            return answer;
        });
    }

    @Test
    void theFirstVersionCompletesWhatThisOneLeft() throws Exception {
        FirstVersion.Server former = startBoth();
        assertThat(run("left", "later")).contains("as it was asked to");

        complete(() -> former.keys().accept("complete"));

        assertThat(run("left", "")).isEqualTo("201 ördered left");
    }

    @Test
    void thisVersionCompletesWhatTheFirstOneLeft() throws Exception {
        FirstVersion.Server former = startBoth();
        assertThat(former.requests().apply("left", "later")).contains("as it was asked to");

        complete(() -> Completer.builder(keys)
                .abandonedAfter(Duration.ofMillis(1))
                .operation(operation("left", ""))
                .build()
                .runOnce());

        assertThat(former.requests().apply("left", "")).isEqualTo("201 ordered left");
    }

    private void complete(Runnable completer) {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(LONGEST_SECONDS);
        do {
            completer.run();
        } while (!(key("left").state() instanceof KeyState.Finished) && System.nanoTime() < end);
        assertThat(key("left").state()).isInstanceOf(KeyState.Finished.class);
    }

    /** Its client was told of a failure; version 0.1 doesn't know that state. */
    @Test
    void theFirstVersionLeavesAloneWhatThisVersionLeftToItsClient() throws Exception {
        FirstVersion.Server former = startBoth();
        assertThat(run("left", "at once")).contains("as it was asked to");
        assertThat(key("left").state()).isInstanceOf(KeyState.Failed.class);

        assertThat(former.requests().apply("left", "")).isEqualTo("StoreUnavailable 503");

        assertThat(run("left", "")).isEqualTo("201 ordered left");
        assertThat(former.requests().apply("left", "")).isEqualTo("201 ordered left");
        assertThat(written()).containsExactlyInAnyOrder("left reserved", "left ordered");
    }

    @Test
    void theFirstVersionRunsAnewWhatAnOperatorOfThisVersionHasDiscarded() throws Exception {
        FirstVersion.Server former = startBoth();
        assertThat(run("left", "at once")).contains("as it was asked to");

        new OperatorActions(keys).discard(key("left"), "alice");

        assertThat(former.requests().apply("left", "")).isEqualTo("201 ördered left");
        assertThat(written()).containsExactlyInAnyOrder("left reserved", "left ordered");
    }

    /** What version 0.1 stores, to be kept. */
    final void fill(FirstVersion.Server server) {
        server.keys().accept("created");
        server.keys().accept("locked");
        assertThat(server.requests().apply("finished", "")).startsWith("201 ");
        assertThat(server.requests().apply("open", "later")).contains("as it was asked to");
        assertThat(server.requests().apply("quarantined", "quarantined")).contains("as it was asked to");
    }

    final FirstVersion first() {
        return first;
    }
}
