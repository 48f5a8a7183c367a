package io.idempotencykey.jpa;

import static io.idempotencykey.contract.Services.askingTheStore;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.service.IdempotencyKeyService;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.hibernate.Session;
import org.hibernate.engine.spi.SessionImplementor;
import org.springframework.orm.jpa.EntityManagerHolder;
import org.springframework.transaction.support.TransactionSynchronizationManager;

/**
 * A request has a session of its own for as long as it lasts, as by Spring's OpenEntityManagerInViewInterceptor; a
 * stage never works in it.
 */
class OpenInViewTest {
    @OnH2AndPostgresql
    void aStageSeesWhatTheDatabaseHasAndNotWhatTheRequestHasSeen(TestDatabase database) throws SQLException {
        inView(database, (keys, spring, url) -> {
            List<String> seen = new ArrayList<>();

            keys.once("order", KeyId.of("key"), TestApplication.REQUEST, stage -> {
                seen.add(entities(stage.transaction()) + " entities");
                seen.add(entities(spring.shared()) + " entities");
                seen.add(stage.transaction().find(ContractRow.class, "stock").content);
                seen.add(spring.shared().find(ContractRow.class, "stock").content);
                stage.transaction().find(ContractRow.class, "stock").content = "taken in the stage";
                return TestApplication.RESPONSE;
            });

            assertThat(seen).containsExactly("0 entities", "0 entities", "changed", "changed");
            assertThat(TestApplication.ask(url, "select content from contract_row"))
                    .containsExactly("taken in the stage");
            assertThat(spring.shared().find(ContractRow.class, "stock").content)
                    .as("in the request's own session")
                    .isEqualTo("as the request saw it");
        });
    }

    @OnH2AndPostgresql
    void aFailedStageGivesTheRequestItsSessionBack(TestDatabase database) throws SQLException {
        inView(database, (keys, spring, url) -> {
            assertThatIllegalStateException()
                    .isThrownBy(() -> keys.once("order", KeyId.of("key"), TestApplication.REQUEST, stage -> {
                        assertThat(entities(stage.transaction())).isZero();
                        stage.transaction().persist(new ContractRow("failed", "1"));
                        throw new IllegalStateException("thrown by the stage");
                    }))
                    .withMessage("thrown by the stage");
            assertThat(spring.shared().find(ContractRow.class, "stock").content).isEqualTo("as the request saw it");
            assertThat(TestApplication.rows(url)).containsExactly("stock");
        });
    }

    @FunctionalInterface
    private interface Handler {
        void handle(IdempotencyKeyService<EntityManager> keys, SpringTransactions spring, String url)
                throws SQLException;
    }

    /** Handles a request that has loaded a row, which another connection has changed since. */
    private static void inView(TestDatabase database, Handler handler) throws SQLException {
        String url = database.create();
        TestDatabase.execute(url, "insert into contract_row values ('stock', 'as the request saw it')");
        try (HikariDataSource pool = TestDatabase.pool(url, 5);
                EntityManagerFactory factory = TestDatabase.factory(pool);
                EntityManager ofRequest = factory.createEntityManager()) {
            SpringTransactions spring = SpringTransactions.of(factory);
            IdempotencyKeyService<EntityManager> keys =
                    askingTheStore(new JpaKeyStore(factory, spring.plain(), Isolation.READ_COMMITTED));
            EntityManagerHolder holder = new EntityManagerHolder(ofRequest);
            TransactionSynchronizationManager.bindResource(factory, holder);
            Map<Object, Object> bound = Map.copyOf(TransactionSynchronizationManager.getResourceMap());
            try {
                assertThat(spring.shared().find(ContractRow.class, "stock").content)
                        .isEqualTo("as the request saw it");
                TestDatabase.execute(url, "update contract_row set content = 'changed'");

                handler.handle(keys, spring, url);

                assertThat(TransactionSynchronizationManager.getResourceMap()).isEqualTo(bound);
                assertThat(TransactionSynchronizationManager.getResource(factory))
                        .isSameAs(holder);
                assertThat(ofRequest.isOpen()).isTrue();
                assertThat(ofRequest.unwrap(SessionImplementor.class).isTransactionInProgress())
                        .isFalse();
            } finally {
                TransactionSynchronizationManager.unbindResourceIfPossible(factory);
            }
        }
    }

    private static int entities(EntityManager em) {
        return em.unwrap(Session.class).getStatistics().getEntityCount();
    }
}
