package io.idempotencykey.service;

import static io.idempotencykey.RecoveryPoint.STARTED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/** What users call: operations, run and once, with values and with exceptions that are answers. */
class FrontDoorTest {
    private static final RecoveryPoint PAYMENT_DUE = RecoveryPoint.named("payment_due");
    private static final RecoveryPoint PAID = RecoveryPoint.named("paid");
    private static final KeyId ID = KeyId.of("key");
    private static final Request REQUEST = Request.of("POST", "/carts/42/complete", Map.of("quantity", 2));
    private static final Response DONE = Response.of(201, "text/plain", "done");

    /** Numbers as text. */
    private static final ResponseCodec<Integer> NUMBERS = new ResponseCodec<>() {
        @Override
        public Response encode(Integer value) {
            return Response.of(200, "text/plain", value.toString());
        }

        @Override
        public Integer decode(Response response) {
            return Integer.valueOf(new String(response.body(), StandardCharsets.UTF_8));
        }
    };

    private final MapKeyStore store = new MapKeyStore();
    private final List<KeyEvent> events = new ArrayList<>();
    private final IdempotencyKeyService<List<String>> keys =
            IdempotencyKeyService.builder(store).listener(events::add).build();

    @Test
    void stagesRunInTheOrderInWhichTheyAreDeclared() {
        Operation<List<String>> operation = keys.operation("complete-cart")
                .stage(STARTED, stage -> stage.transaction().add("reserved"))
                .stage(
                        PAYMENT_DUE,
                        key -> "charge",
                        (stage, charge) -> stage.transaction().add(charge))
                .respond(PAID, stage -> {
                    stage.transaction().add("order");
                    return DONE;
                })
                .build();

        Execution first = keys.run(operation, ID, REQUEST);

        assertThat(first.response()).isEqualTo(DONE);
        assertThat(keys.run(operation, ID, REQUEST).replayed()).isTrue();
        assertThat(store.rows).containsExactly("reserved", "charge", "order");
        assertThat(operation.recoveryPoints()).containsExactly(STARTED, PAYMENT_DUE, PAID);
    }

    @Test
    void aLastStageMayCallAnotherSystemFirst() {
        Operation<List<String>> operation = keys.operation("notify")
                .respond(STARTED, key -> "sent", (stage, sent) -> Response.of(200, "text/plain", sent))
                .build();

        assertThat(keys.run(operation, ID, REQUEST).response()).isEqualTo(Response.of(200, "text/plain", "sent"));
    }

    @Test
    void aBranchChoosesAmongThePointsThatItNames() {
        Operation<List<String>> operation = keys.operation("complete-cart")
                .branch(
                        STARTED,
                        key -> 0,
                        (stage, total) -> StageOutcome.advanceTo(total == 0 ? PAID : PAYMENT_DUE),
                        StageOption.advancesTo(PAYMENT_DUE, PAID))
                .stage(PAYMENT_DUE, stage -> stage.transaction().add("charged"))
                .respond(PAID, stage -> DONE)
                .build();

        keys.run(operation, ID, REQUEST);

        assertThat(store.rows).isEmpty();
    }

    @Test
    void aStageThatGoesOnNeedsOneBehindIt() {
        assertThatIllegalStateException()
                .isThrownBy(
                        () -> keys.operation("op").stage(STARTED, stage -> {}).build())
                .withMessage("operation 'op' has a stage at 'started' that goes on, but to [] instead of one point;"
                        + " end with respond, or use branch to choose");
    }

    @Test
    void aStageThatGoesOnMayNameAnotherPointThanTheNext() {
        Operation<List<String>> operation = keys.operation("op")
                .branch(STARTED, stage -> StageOutcome.advanceTo(PAYMENT_DUE), StageOption.advancesTo(PAYMENT_DUE))
                .stage(PAYMENT_DUE, stage -> {}, StageOption.advancesTo(PAID))
                .respond(PAID, stage -> DONE)
                .build();

        assertThat(keys.run(operation, ID, REQUEST).response()).isEqualTo(DONE);
    }

    @Test
    void aStageThatRespondsCanNotAdvance() {
        assertThatIllegalStateException()
                .isThrownBy(() -> keys.operation("op")
                        .respond(STARTED, stage -> DONE, StageOption.advancesTo(PAID))
                        .respond(PAID, stage -> DONE)
                        .build())
                .withMessageContaining("responds, and can't advance to [paid]");
    }

    @Test
    void aMessageIsReceivedOnce() {
        Map<String, Object> payment = Map.of("account", "a", "amount", 5);
        List<String> runs = new ArrayList<>();

        for (int delivery = 0; delivery < 2; delivery++) {
            keys.receive("book-payment", "event-1", payment, stage -> {
                runs.add(stage.request().typed().text("account"));
                stage.transaction().add("booking");
            });
        }

        assertThat(runs).containsExactly("a");
        assertThat(store.rows).containsExactly("booking");
        assertThat(keys.retrieve(KeyId.of("book-payment", "event-1")).request().path())
                .isEqualTo("book-payment");
    }

    @Test
    void aMessageIsReceivedOnceForEachWork() {
        for (String work : List.of("book-payment", "send-receipt")) {
            keys.receive(work, "event-1", Map.of(), stage -> stage.transaction().add(work));
        }

        assertThat(store.rows).containsExactly("book-payment", "send-receipt");
    }

    @Test
    void aMessageWhoseWorkFailsIsReceivedAgain() {
        IOException failure = new IOException("no space");
        assertThatThrownBy(() -> keys.receive("book-payment", "event-1", Map.of(), stage -> {
                    stage.transaction().add("half");
                    throw failure;
                }))
                .isSameAs(failure);
        assertThat(store.rows).isEmpty();

        keys.receive(
                "book-payment",
                "event-1",
                Map.of(),
                stage -> stage.transaction().add("booking"));

        assertThat(store.rows).containsExactly("booking");
    }

    @Test
    void anotherMessageWithTheIdIsRefused() {
        keys.receive("book-payment", "event-1", Map.of("amount", 5), stage -> {});

        assertThatExceptionOfType(IdempotencyException.Mismatch.class)
                .isThrownBy(() -> keys.receive("book-payment", "event-1", Map.of("amount", 6), stage -> {}));
    }

    @Test
    void onceIsOneStageInOneStatement() {
        Execution one = keys.once("place-order", ID, REQUEST, stage -> {
            stage.transaction().add("order");
            return DONE;
        });

        assertThat(one.replayed()).isFalse();
        assertThat(keys.once("place-order", ID, REQUEST, stage -> DONE).replayed())
                .isTrue();
        assertThat(store.rows).containsExactly("order");
    }

    @Test
    void aValueIsTheSameForTheFirstCallerAndForARetry() {
        AtomicInteger runs = new AtomicInteger();
        WorkStage.Answer<List<String>, Integer> count = stage -> 41 + runs.incrementAndGet();

        assertThat(keys.once("count", ID, REQUEST, NUMBERS, count)).isEqualTo(42);
        assertThat(keys.once("count", ID, REQUEST, NUMBERS, count)).isEqualTo(42);
    }

    @Test
    void anOperationMayAnswerWithAValue() {
        Operation<List<String>> operation = keys.operation("count")
                .stage(STARTED, stage -> {})
                .respond(PAID, NUMBERS, stage -> 7)
                .build();

        assertThat(keys.run(operation, ID, REQUEST, NUMBERS)).isEqualTo(7);
        assertThat(keys.run(operation, ID, REQUEST).value(NUMBERS)).isEqualTo(7);
    }

    @Test
    void checkedExceptionsOfStagesAndOutsideCallsReachTheCallerAsTheyAre() {
        IOException thrown = new IOException("no connection");
        Operation<List<String>> calling = keys.operation("call")
                .<String>respond(
                        STARTED,
                        key -> {
                            throw thrown;
                        },
                        (stage, input) -> DONE)
                .build();

        assertThatThrownBy(() -> keys.run(calling, ID, REQUEST)).isSameAs(thrown);
        assertThatThrownBy(() -> keys.once("work", KeyId.of("other"), REQUEST, stage -> {
                    throw thrown;
                }))
                .isSameAs(thrown);
        assertThatThrownBy(() -> keys.workStage(hold("third"), stage -> {
                    throw thrown;
                }))
                .isSameAs(thrown);
    }

    private HeldKey hold(String value) {
        return ((Claim.Claimed) keys.claim(KeyId.of(value), REQUEST)).key();
    }

    @Test
    void aStageThatReturnsNullIsToldByItsName() {
        assertThatNullPointerException()
                .isThrownBy(() -> keys.run(returningNull(), ID, REQUEST))
                .withMessageContaining("the stage at 'started' of operation 'op' returned null");
        assertThatNullPointerException()
                .isThrownBy(() -> keys.run(respondingNull(), ID, REQUEST))
                .withMessageContaining("the stage at 'started' of operation 'op', or its codec, returned null");
    }

    @SuppressWarnings("NullAway") // As a caller does that has no such checks.
    private Operation<List<String>> returningNull() {
        return keys.operation("op").branch(STARTED, stage -> null).build();
    }

    @SuppressWarnings("NullAway") // As a caller does that has no such checks.
    private Operation<List<String>> respondingNull() {
        return keys.operation("op").respond(STARTED, stage -> null).build();
    }

    @Test
    void aStageThatAdvancesToAPointItDoesNotDeclareIsToldHowToDeclareIt() {
        Operation<List<String>> operation = keys.operation("op")
                .branch(STARTED, stage -> StageOutcome.advanceTo(RecoveryPoint.named("else")))
                .respond(PAID, stage -> DONE)
                .build();

        assertThatExceptionOfType(IdempotencyException.UnknownRecoveryPoint.class)
                .isThrownBy(() -> keys.run(operation, ID, REQUEST))
                .withMessageContaining("the stage at 'started'")
                .withMessageContaining("advanced to 'else'")
                .withMessageContaining("advancesTo");
    }

    @Test
    void aDeclaredOperationsKeyCanBeHeld() {
        Operation<List<String>> operation = keys.operation("op")
                .stage(STARTED, stage -> stage.transaction().add("one"))
                .respond(PAID, stage -> DONE)
                .build();

        HeldKey held = ((Claim.Claimed) keys.claim(operation, ID, REQUEST)).key();

        assertThatExceptionOfType(IdempotencyException.Locked.class).isThrownBy(() -> keys.run(operation, ID, REQUEST));
        StageResult next = keys.workStage(operation, held, REQUEST);
        assertThat(((StageResult.Held) next).key().recoveryPoint()).isEqualTo(PAID);
        store.pass(ServiceBuilder.DEFAULT_LEASE);
        assertThat(keys.run(operation, ID, REQUEST).response()).isEqualTo(DONE);
        assertThat(store.rows).containsExactly("one");
    }

    @Test
    void aStageOfAnotherOperationThanTheKeysIsRefused() {
        Operation<List<String>> other =
                keys.operation("other").respond(STARTED, stage -> DONE).build();
        HeldKey held = hold("key");

        assertThatIllegalArgumentException()
                .isThrownBy(() -> keys.workStage(other, held, REQUEST))
                .withMessage("argument 'operation' is 'other'; allowed: the one that the key was made for, ''");
        assertThat(store.key(ID).state()).isInstanceOf(KeyState.Locked.class);
    }

    @Test
    void aClaimOfARequestInFlightIsToldToListenersWithoutAnException() {
        hold("key");
        events.clear();

        keys.claim(ID, REQUEST);

        assertThat(events).singleElement().isInstanceOf(KeyEvent.FoundInFlight.class);
    }

    @Test
    void theFirstDeclarationThatGivesAResponseIsTheAnswer() {
        Operation<List<String>> operation = keys.operation("op")
                .staged()
                .respond(STARTED, stage -> {
                    throw new IOException("gone");
                })
                .answering(thrown -> Optional.empty())
                .answering(IOException.class, e -> Response.of(410, "text/plain", String.valueOf(e.getMessage())))
                .answering(Exception.class, e -> DONE)
                .build();

        assertThat(keys.run(operation, ID, REQUEST).response()).isEqualTo(Response.of(410, "text/plain", "gone"));
    }

    @Test
    void anAnswerThatFailsIsAFailureOfItsOwn() {
        IllegalStateException failure = new IllegalStateException("no message");
        Operation<List<String>> operation = keys.operation("op")
                .staged()
                .respond(STARTED, stage -> {
                    throw new IOException("gone");
                })
                .answering(IOException.class, e -> {
                    throw failure;
                })
                .build();

        assertThatThrownBy(() -> keys.run(operation, ID, REQUEST)).isSameAs(failure);

        assertThat(failure.getSuppressed()).hasSize(1);
        assertThat(store.key(ID).state()).isInstanceOf(KeyState.Failed.class);
    }

    @Test
    void anInterruptionIsNoAnswerAndLeavesTheRequestToBeCompleted() {
        InterruptedException stopping = new InterruptedException();
        Operation<List<String>> operation = keys.operation("op")
                .staged()
                .respond(STARTED, stage -> {
                    throw stopping;
                })
                .answering(Exception.class, e -> DONE)
                .build();

        assertThatThrownBy(() -> keys.run(operation, ID, REQUEST)).isSameAs(stopping);

        assertThat(Thread.interrupted()).isTrue();
        assertThat(store.key(ID).state()).isInstanceOf(KeyState.Open.class);
        assertThat(store.key(ID).failedAttempts()).isZero();
    }

    @Test
    void aStageThatIsInterruptedAgainAndAgainWithoutAClientIsQuarantined() {
        Operation<List<String>> operation = keys.operation("op")
                .maxAttempts(3)
                .respond(STARTED, stage -> {
                    throw new InterruptedException();
                })
                .build();
        keys.claim(operation, ID, REQUEST);
        Completer<List<String>> completer = Completer.builder(keys)
                .operation(operation)
                .abandonedAfter(Duration.ZERO)
                .build();

        for (int i = 0; i < 3; i++) {
            store.pass(Operation.DEFAULT_LONGEST_BACKOFF);
            completer.runOnce();
            assertThat(Thread.interrupted()).isTrue();
        }

        assertThat(store.key(ID).state()).isInstanceOf(KeyState.Quarantined.class);
    }

    @Test
    void anAnswerIsStoredByAThreadThatIsInterruptedToo() {
        Operation<List<String>> operation = keys.operation("op")
                .staged()
                .respond(STARTED, stage -> {
                    Thread.currentThread().interrupt();
                    throw new IOException("gone");
                })
                .answering(IOException.class, e -> DONE)
                .build();

        assertThat(keys.run(operation, ID, REQUEST).response()).isEqualTo(DONE);

        assertThat(Thread.interrupted()).isTrue();
        assertThat(store.key(ID).state()).isInstanceOf(KeyState.Finished.class);
    }

    @Test
    void failuresThatAClientWasToldOfDoNotCountAgainstTheCompleter() {
        Operation<List<String>> operation = keys.operation("op")
                .maxAttempts(2)
                .respond(STARTED, stage -> {
                    throw new IOException("down");
                })
                .build();
        for (int i = 0; i < 3; i++) {
            assertThatThrownBy(() -> keys.run(operation, ID, REQUEST)).isInstanceOf(IOException.class);
        }
        keys.claim(operation, ID, REQUEST);
        store.pass(ServiceBuilder.DEFAULT_LEASE.plusMillis(1));

        Completer.builder(keys)
                .operation(operation)
                .abandonedAfter(Duration.ZERO)
                .build()
                .runOnce();

        assertThat(store.key(ID).state()).isInstanceOf(KeyState.Open.class);
        assertThat(store.key(ID).failedAttempts()).isEqualTo(1);
    }

    /** An outside call that is interrupted clears the thread's mark by its exception. */
    @Test
    void aCompleterThatIsInterruptedInAStageTakesNoFurtherKey() {
        List<String> begun = new ArrayList<>();
        Operation<List<String>> operation = keys.operation("op")
                .respond(STARTED, key -> begun.add(key.id().value()), (stage, called) -> {
                    throw new InterruptedException();
                })
                .build();
        for (int i = 0; i < 5; i++) {
            keys.claim(operation, KeyId.of("key-" + i), REQUEST);
        }
        store.pass(ServiceBuilder.DEFAULT_LEASE.plusMillis(1));

        Completer.builder(keys)
                .operation(operation)
                .abandonedAfter(Duration.ZERO)
                .build()
                .runOnce();

        assertThat(Thread.interrupted()).isTrue();
        assertThat(begun).hasSize(1);
    }

    @Test
    void exceptionsOfTheLibraryAreNoAnswers() {
        Operation<List<String>> operation = keys.operation("op")
                .branch(STARTED, stage -> StageOutcome.advanceTo(PAID), StageOption.advancesTo())
                .answering(Exception.class, e -> DONE)
                .build();

        assertThatExceptionOfType(IdempotencyException.UnknownRecoveryPoint.class)
                .isThrownBy(() -> keys.run(operation, ID, REQUEST));
    }

    // Rule 13

    @Test
    void aLeaseThatProvesTooShortDoublesAtEachTakeoverUpToTenTimes() {
        hold("key");
        List<Duration> leases = new ArrayList<>();
        for (int i = 0; i < 6; i++) {
            store.pass(leaseOf(ID));
            hold("key");
            leases.add(leaseOf(ID));
        }

        assertThat(leases.stream().map(Duration::toSeconds)).containsExactly(60L, 120L, 240L, 300L, 300L, 300L);
    }

    @Test
    void aCommittedStageBeginsAgainWithTheDeclaredLease() {
        hold("key");
        store.pass(leaseOf(ID));
        HeldKey held = hold("key");

        keys.workStage(held, stage -> StageOutcome.advanceTo(PAID));

        assertThat(leaseOf(ID)).isEqualTo(ServiceBuilder.DEFAULT_LEASE);
    }

    @Test
    void aReleasedKeyIsTakenWithTheDeclaredLease() {
        hold("key");
        store.pass(leaseOf(ID));
        keys.unlock(hold("key"));

        hold("key");

        assertThat(leaseOf(ID)).isEqualTo(ServiceBuilder.DEFAULT_LEASE);
    }

    @Test
    void anOperationBoundsItsLeases() {
        Operation<List<String>> operation = keys.operation("op")
                .lease(Duration.ofSeconds(4))
                .longestLease(Duration.ofSeconds(5))
                .respond(STARTED, stage -> DONE)
                .build();
        keys.claim(operation, ID, REQUEST);
        store.pass(Duration.ofSeconds(4));

        keys.claim(operation, ID, REQUEST);

        assertThat(leaseOf(ID)).isEqualTo(Duration.ofSeconds(5));
        store.pass(Duration.ofSeconds(5));
        Operation<List<String>> longer = keys.operation("op")
                .lease(Duration.ofSeconds(20))
                .longestLease(Duration.ofSeconds(5))
                .respond(STARTED, stage -> DONE)
                .build();
        keys.claim(longer, ID, REQUEST);
        assertThat(leaseOf(ID)).as("the declared lease, which is longer").isEqualTo(Duration.ofSeconds(20));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> keys.operation("op").longestLease(Duration.ZERO))
                .withMessageContaining("argument 'longestLease'");
    }

    private Duration leaseOf(KeyId id) {
        KeyState.Locked locked = (KeyState.Locked) store.key(id).state();
        return Duration.between(locked.lockedAt(), locked.leaseEnds());
    }

    @Test
    void aRequestInFlightIsAskedForAgainAfterAsLongAsItHasTaken() {
        hold("key");
        assertThat(retryAfter()).isEqualTo(Duration.ofSeconds(1));
        store.pass(Duration.ofSeconds(10));
        assertThat(retryAfter()).isEqualTo(Duration.ofSeconds(10));
        store.pass(Duration.ofSeconds(15));
        assertThat(retryAfter()).isEqualTo(Duration.ofSeconds(5));
        store.pass(Duration.ofMillis(4_999));
        assertThat(retryAfter()).isEqualTo(Duration.ofSeconds(1));
    }

    private Duration retryAfter() {
        return ((Claim.InFlight) keys.claim(ID, REQUEST)).retryAfter();
    }
}
