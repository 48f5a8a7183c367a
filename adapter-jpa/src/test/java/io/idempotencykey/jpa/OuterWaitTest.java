package io.idempotencykey.jpa;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.Isolation;
import io.idempotencykey.service.IdempotencyKeyService;
import jakarta.persistence.EntityManagerFactory;
import java.time.Duration;
import org.junit.jupiter.api.Test;

/** A stage in a transaction that the application's manager has begun waits no longer than its lease, either. */
class OuterWaitTest {
    private static final Duration LEASE = Duration.ofSeconds(2);

    @Test
    void aStagesWaitForARowInSpringsTransactionEndsWithItsLease() throws Exception {
        String url = TestDatabase.POSTGRESQL.create();
        TestDatabase.execute(url, "insert into contract_row values ('row', '0')");
        try (HikariDataSource pool = TestDatabase.pool(url, 4);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            JpaKeyStore store =
                    new JpaKeyStore(factory, SpringTransactions.of(factory).plain(), Isolation.READ_COMMITTED);
            HeldRowTest.waitsInVain(
                    url,
                    IdempotencyKeyService.builder(store)
                            .replayCacheBytes(0)
                            .lease(LEASE)
                            .build());
        }
    }

    @Test
    void aStagesWaitForARowInAJtaTransactionEndsWithItsLease() throws Exception {
        String url = TestDatabase.POSTGRESQL.create();
        TestDatabase.execute(url, "insert into contract_row values ('row', '0')");
        JtaApplication.with(
                url,
                4,
                (factory, manager) -> HeldRowTest.waitsInVain(
                        url,
                        IdempotencyKeyService.builder(new JpaKeyStore(factory))
                                .replayCacheBytes(0)
                                .lease(LEASE)
                                .build()));
    }
}
