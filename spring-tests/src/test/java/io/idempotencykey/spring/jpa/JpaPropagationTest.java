package io.idempotencykey.spring.jpa;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.KeyId;
import io.idempotencykey.Response;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.spring.InnerTransactions;
import jakarta.persistence.EntityManager;
import java.util.List;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.springframework.transaction.IllegalTransactionStateException;
import org.springframework.transaction.NestedTransactionNotSupportedException;
import org.springframework.transaction.event.TransactionPhase;

/** What an application's transactional methods do in a stage, by their propagation. */
class JpaPropagationTest {
    private static final List<BiConsumer<OrderService, String>> JOINING =
            List.of(OrderService::required, OrderService::supports, OrderService::mandatory);

    private static final KeyId REFUSED = KeyId.of("refused");

    private static void placeAll(OrderService service) {
        for (int i = 0; i < JOINING.size(); i++) {
            JOINING.get(i).accept(service, "order " + i);
        }
    }

    @ParameterizedTest
    @EnumSource
    void whatJoinsIsCommittedWithTheStageAndSeenByAReplay(JpaApplication.Database database) {
        JpaApplication application = database.application();
        IdempotencyKeyService<EntityManager> keys = application.keys(InnerTransactions.REFUSED);
        int[] runs = new int[1];

        KeyId id = JpaApplication.once(keys, entityManager -> {
            runs[0]++;
            placeAll(application.service());
        });
        Response replay = keys.once("place-order", id, JpaApplication.REQUEST, stage -> Response.of(500, new byte[0]))
                .response();

        assertThat(application.orders()).containsExactly("order 0", "order 1", "order 2");
        assertThat(replay).isEqualTo(JpaApplication.RESPONSE);
        assertThat(runs[0]).isEqualTo(1);
    }

    @ParameterizedTest
    @EnumSource
    void whatJoinsIsRolledBackWithTheStage(JpaApplication.Database database) {
        JpaApplication application = database.application();
        IdempotencyKeyService<EntityManager> keys = application.keys(InnerTransactions.REFUSED);

        assertThatIllegalStateException()
                .isThrownBy(() -> JpaApplication.once(keys, entityManager -> {
                    placeAll(application.service());
                    throw new IllegalStateException("thrown by the stage");
                }))
                .withMessage("thrown by the stage");

        assertThat(application.orders()).isEmpty();
    }

    @ParameterizedTest
    @EnumSource
    void whatJoinsAStageThatConflictsIsThereOnceAfterItsSecondRun(JpaApplication.Database database) {
        JpaApplication application = database.application();
        IdempotencyKeyService<EntityManager> keys = application.keys(InnerTransactions.REFUSED);
        int[] runs = new int[1];

        JpaApplication.once(keys, entityManager -> {
            placeAll(application.service());
            application.conflict(entityManager, ++runs[0]);
        });

        assertThat(application.orders()).containsExactly("order 0", "order 1", "order 2");
        assertThat(runs[0]).isEqualTo(2);
    }

    /** The method's transaction is marked then, but it was the server that ended it. */
    @ParameterizedTest
    @EnumSource(names = "POSTGRESQL")
    void aConflictInAMethodIsRunAgainEvenIfTheStageCatchesIt(JpaApplication.Database database) {
        JpaApplication application = database.application();
        IdempotencyKeyService<EntityManager> keys = application.keys(InnerTransactions.REFUSED);
        int[] runs = new int[1];

        JpaApplication.once(keys, entityManager -> {
            runs[0]++;
            try {
                application.service().with(() -> {
                    application.conflict(entityManager, runs[0]);
                    entityManager.flush();
                });
            } catch (RuntimeException caught) {
                assertThat(runs[0]).isEqualTo(1);
            }
        });

        assertThat(runs[0]).isEqualTo(2);
    }

    @ParameterizedTest
    @EnumSource(names = "POSTGRESQL")
    void neverFails(JpaApplication.Database database) {
        JpaApplication application = database.application();
        IdempotencyKeyService<EntityManager> keys = application.keys(InnerTransactions.REFUSED);

        assertThatExceptionOfType(IllegalTransactionStateException.class)
                .isThrownBy(() -> JpaApplication.once(
                        keys, entityManager -> application.service().never("never")));

        assertThat(application.orders()).isEmpty();
    }

    /** Spring has no savepoints with Hibernate. */
    @ParameterizedTest
    @EnumSource
    void nestedFails(JpaApplication.Database database) {
        JpaApplication application = database.application();
        IdempotencyKeyService<EntityManager> keys = application.keys(InnerTransactions.REFUSED);

        assertThatExceptionOfType(NestedTransactionNotSupportedException.class)
                .isThrownBy(() -> JpaApplication.once(
                        keys, entityManager -> application.service().nested("nested")));

        assertThat(application.orders()).isEmpty();
    }

    @SuppressWarnings("ImmutableEnumChecker") // each is a reference to a method
    private enum Leaving {
        REQUIRES_NEW("requiresNew", OrderService::requiresNew),
        NOT_SUPPORTED("notSupported", OrderService::notSupported);

        private final String method;
        private final BiConsumer<OrderService, String> call;

        Leaving(String method, BiConsumer<OrderService, String> call) {
            this.method = OrderService.class.getName() + "." + method;
            this.call = call;
        }

        void from(JpaApplication application) {
            call.accept(application.service(), "left");
        }
    }

    @ParameterizedTest
    @EnumSource
    void whatLeavesIsRefused(Leaving leaving) {
        refused(JpaApplication.Database.POSTGRESQL, leaving, leaving::from);
        refused(JpaApplication.Database.H2, leaving, leaving::from);
    }

    @ParameterizedTest
    @EnumSource
    void aStageThatCatchesTheRefusalFails(Leaving leaving) {
        refused(JpaApplication.Database.POSTGRESQL, leaving, application -> caught(() -> leaving.from(application)));
        refused(JpaApplication.Database.H2, leaving, application -> caught(() -> leaving.from(application)));
    }

    private static void refused(JpaApplication.Database database, Leaving leaving, Consumer<JpaApplication> stage) {
        JpaApplication application = database.application();
        int[] runs = new int[1];

        assertThatIllegalStateException()
                .isThrownBy(() -> place(application, stage, runs))
                .withMessageContaining(leaving.method + " leaves the stage's transaction");

        assertNothingIsKept(application, runs);
    }

    /** The method between joins, so that Spring marks the transaction. */
    @ParameterizedTest
    @EnumSource
    void aRefusalThatPassesAMethodIsTheCauseOfTheStagesFailure(Leaving leaving) {
        JpaApplication application = JpaApplication.Database.POSTGRESQL.application();
        int[] runs = new int[1];

        assertThatIllegalStateException()
                .isThrownBy(() ->
                        place(application, it -> caught(() -> it.service().with(() -> leaving.from(it))), runs))
                .withMessageContaining("marked the stage's transaction")
                .havingCause()
                .withMessageContaining(leaving.method + " leaves the stage's transaction");

        assertNothingIsKept(application, runs);
    }

    @ParameterizedTest
    @EnumSource
    void aStagesOwnExceptionTellsOfTheRefusal(Leaving leaving) {
        JpaApplication application = JpaApplication.Database.POSTGRESQL.application();
        int[] runs = new int[1];

        assertThatExceptionOfType(IllegalArgumentException.class)
                .isThrownBy(() -> place(
                        application,
                        it -> {
                            caught(() -> leaving.from(it));
                            throw new IllegalArgumentException("thrown by the stage");
                        },
                        runs))
                .satisfies(thrown -> assertThat(thrown.getSuppressed()[0]).hasMessageContaining(leaving.method));

        assertNothingIsKept(application, runs);
    }

    /** The fence has been passed by then. */
    @ParameterizedTest
    @EnumSource
    void aCallbackBeforeTheCommitThatLeavesIsRefused(Leaving leaving) {
        JpaApplication application = JpaApplication.Database.POSTGRESQL.application();
        int[] runs = new int[1];

        assertThatIllegalStateException()
                .isThrownBy(() -> place(
                        application,
                        it -> it.service()
                                .publishing(
                                        "published",
                                        OrderListener.Placed.inPhase(
                                                TransactionPhase.BEFORE_COMMIT, () -> caught(() -> leaving.from(it)))),
                        runs))
                .withMessageContaining(leaving.method + " leaves the stage's transaction");

        assertNothingIsKept(application, runs);
    }

    private static void place(JpaApplication application, Consumer<JpaApplication> stage, int[] runs) {
        IdempotencyKeyService<EntityManager> keys = application.keys(InnerTransactions.REFUSED);
        try {
            keys.once("place-order", REFUSED, JpaApplication.REQUEST, held -> {
                runs[0]++;
                application.service().required("stage");
                stage.accept(application);
                return JpaApplication.RESPONSE;
            });
        } finally {
            assertThatExceptionOfType(IdempotencyException.NotFound.class).isThrownBy(() -> keys.retrieve(REFUSED));
        }
    }

    private static void caught(Runnable leaving) {
        try {
            leaving.run();
        } catch (IllegalStateException refused) {
            assertThat(refused).hasMessageContaining("leaves the stage's transaction");
            return;
        }
        throw new AssertionError("it isn't refused");
    }

    private static void assertNothingIsKept(JpaApplication application, int[] runs) {
        assertThat(application.orders()).isEmpty();
        assertThat(runs[0]).isEqualTo(1);
    }
}
