package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.KeyId;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.KeyEvent;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Requests of one stage under different keys, whose rows come next to each other in a nearly empty table. */
class SingleNeighboursTest {
    private static final int WORKERS = 12;
    private static final int REQUESTS = 15;

    /** A read of the missing row in a serializable transaction would conflict with all inserts near that row. */
    @ParameterizedTest
    @CsvSource({"false, false", "false, true", "true, false", "true, true"})
    void noRequestOnPostgresqlIsRunAgainBecauseOfItsNeighbours(boolean spring, boolean sequential) throws Exception {
        String url = TestDatabase.POSTGRESQL.create() + "&options=-c%20default_transaction_isolation=serializable";
        try (HikariDataSource pool = TestDatabase.pool(url, 2 * WORKERS);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            Queue<KeyEvent> retried = new ConcurrentLinkedQueue<>();
            JpaKeyStore store = JpaKeyStore.builder(factory)
                    .transactions(spring ? SpringTransactions.of(factory).plain() : null)
                    .build();
            IdempotencyKeyService<EntityManager> keys = IdempotencyKeyService.builder(store)
                    .replayCacheBytes(0)
                    .listener(event -> {
                        if (event instanceof KeyEvent.StageRetried) {
                            retried.add(event);
                        }
                    })
                    .build();
            CountDownLatch start = new CountDownLatch(1);
            List<CompletableFuture<Boolean>> workers = new ArrayList<>();
            for (int i = 0; i < WORKERS; i++) {
                int worker = i;
                workers.add(TestApplication.elsewhere(() -> {
                    TestApplication.await(start);
                    for (int n = 0; n < REQUESTS; n++) {
                        String value = sequential
                                ? "key-" + (n * WORKERS + worker)
                                : UUID.randomUUID().toString();
                        keys.once("order", KeyId.of(value), TestApplication.REQUEST, stage -> TestApplication.RESPONSE);
                    }
                    return true;
                }));
            }
            start.countDown();
            for (CompletableFuture<Boolean> each : workers) {
                assertThat(each.get(120, TimeUnit.SECONDS)).isTrue();
            }
            assertThat(retried).isEmpty();
            assertThat(TestApplication.ask(url, "select count(*) from idempotency_key"))
                    .containsExactly("" + WORKERS * REQUESTS);
        }
    }
}
