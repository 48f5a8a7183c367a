package io.idempotencykey.spring.jpa;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.idempotencykey.KeyId;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import io.idempotencykey.spring.InnerTransactions;
import io.idempotencykey.spring.PostgresqlServer;
import io.idempotencykey.spring.SpringJpaTransactions;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CopyOnWriteArrayList;
import javax.sql.DataSource;
import org.hibernate.Session;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.springframework.boot.WebApplicationType;
import org.springframework.dao.QueryTimeoutException;
import org.springframework.jdbc.datasource.ConnectionHolder;
import org.springframework.transaction.support.TransactionSynchronizationManager;

/** The transaction of a stage, and what takes part in it beside transactional methods. */
class JpaStageTest {
    @ParameterizedTest
    @EnumSource
    void aJdbcTemplateJoins(JpaApplication.Database database) {
        JpaApplication application = database.application();
        IdempotencyKeyService<EntityManager> keys = application.keys(InnerTransactions.REFUSED);
        String insert = "insert into placed_order (name) values ('by JDBC')";

        assertThatIllegalStateException()
                .isThrownBy(() -> JpaApplication.once(keys, entityManager -> {
                    application.jdbc().update(insert);
                    throw new IllegalStateException("thrown by the stage");
                }))
                .withMessage("thrown by the stage");
        assertThat(application.orders()).isEmpty();

        JpaApplication.once(keys, entityManager -> {
            application.jdbc().update(insert);
            assertThat(application.bean(OrderRepository.class).findByName("by JDBC"))
                    .isPresent();
        });
        assertThat(application.orders()).containsExactly("by JDBC");
    }

    @Test
    void theStagesEntityManagerIsTheRepositories() {
        JpaApplication application = JpaApplication.Database.POSTGRESQL.application();

        JpaApplication.once(application.keys(InnerTransactions.REFUSED), entityManager -> {
            entityManager.persist(new PlacedOrder("order"));
            PlacedOrder found =
                    application.bean(OrderRepository.class).findByName("order").orElseThrow();
            assertThat(entityManager.contains(found)).isTrue();
        });
    }

    @ParameterizedTest
    @CsvSource({"PT1.5S, 2", "PT1S, 1", "PT0.001S, 1", "PT24H, 86400"})
    void itHasANameAndATimeOutInWholeSeconds(Duration lease, int seconds) {
        JpaApplication application = JpaApplication.Database.H2.application();
        SpringJpaTransactions transactions = new SpringJpaTransactions(
                application.manager(), application.bean(EntityManagerFactory.class), InnerTransactions.REFUSED);
        List<String> seen = new CopyOnWriteArrayList<>();

        transactions.run(null, lease, entityManager -> {
            ConnectionHolder holder = (ConnectionHolder) Objects.requireNonNull(
                    TransactionSynchronizationManager.getResource(application.bean(DataSource.class)));
            seen.add(TransactionSynchronizationManager.getCurrentTransactionName() + " "
                    + holder.getTimeToLiveInSeconds());
        });

        assertThat(seen).containsExactly("idempotencykey.stage " + seconds);
    }

    /** By its lease, which is the transaction's time-out. */
    @Test
    void aStageThatTakesTooLongFailsOnce() {
        JpaApplication application = JpaApplication.Database.POSTGRESQL.application();
        IdempotencyKeyService<EntityManager> keys = application.keys(InnerTransactions.REFUSED);
        int[] runs = new int[1];
        Operation<EntityManager> slow = keys.operation("slow")
                .lease(Duration.ofSeconds(1))
                .respond(RecoveryPoint.STARTED, stage -> {
                    runs[0]++;
                    application.service().required("slow");
                    application.jdbc().execute("select pg_sleep(60)");
                    return JpaApplication.RESPONSE;
                })
                .build();

        assertThatExceptionOfType(QueryTimeoutException.class)
                .isThrownBy(() -> keys.run(slow, KeyId.of("slow"), JpaApplication.REQUEST));

        assertThat(application.orders()).isEmpty();
        assertThat(runs[0]).isEqualTo(1);
    }

    /** As Boot sets it up: the request's session has loaded the row before the stage. */
    @Test
    void withOpenInViewAStageHasAPersistenceContextOfItsOwn() throws Exception {
        String url = PostgresqlServer.newDatabase(PlacedOrder.TABLE, Stock.TABLE);
        try (JpaApplication application =
                JpaApplication.start(url, WebApplicationType.SERVLET, OrderController.class)) {
            IdempotencyKeyService<EntityManager> keys = application.keys(InnerTransactions.REFUSED);
            EntityManager injected = application.injected();
            List<Object> seen = new CopyOnWriteArrayList<>();
            application.bean(OrderController.class).handler = () -> {
                seen.add(injected.find(Stock.class, 1).amount);
                PostgresqlServer.execute(url, Stock.CHANGE);
                seen.add(injected.find(Stock.class, 1).amount);
                keys.once("order", KeyId.of("key"), JpaApplication.REQUEST, stage -> {
                    seen.add(stage.transaction()
                            .unwrap(Session.class)
                            .getStatistics()
                            .getEntityCount());
                    seen.add(injected.find(Stock.class, 1).amount);
                    return JpaApplication.RESPONSE;
                });
                seen.add(injected.find(Stock.class, 1).amount);
                return "handled";
            };

            HttpResponse<String> answer = HttpClient.newHttpClient()
                    .send(
                            HttpRequest.newBuilder(URI.create("http://localhost:"
                                            + application.property("local.server.port") + "/orders"))
                                    .timeout(Duration.ofSeconds(30))
                                    .build(),
                            HttpResponse.BodyHandlers.ofString());

            assertThat(answer.body()).isEqualTo("handled");
            assertThat(seen).containsExactly(0, 0, 0, 1, 0);
        }
    }
}
