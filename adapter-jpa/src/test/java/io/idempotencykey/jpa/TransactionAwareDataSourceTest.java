package io.idempotencykey.jpa;

import static io.idempotencykey.contract.Services.askingTheStore;
import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.KeyId;
import io.idempotencykey.service.IdempotencyKeyService;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import java.sql.SQLException;
import java.util.Optional;
import java.util.function.UnaryOperator;
import javax.sql.DataSource;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.springframework.jdbc.datasource.DataSourceTransactionManager;
import org.springframework.jdbc.datasource.DelegatingDataSource;
import org.springframework.jdbc.datasource.LazyConnectionDataSourceProxy;
import org.springframework.jdbc.datasource.TransactionAwareDataSourceProxy;
import org.springframework.transaction.support.TransactionTemplate;

/** Connections that take part in Spring's transactions by themselves are never taken for the store's own. */
class TransactionAwareDataSourceTest {
    @SuppressWarnings("ImmutableEnumChecker") // the functions keep nothing
    private enum Wrapping {
        NONE(dataSource -> dataSource),
        OUTSIDE(DelegatingDataSource::new),
        LAZY(LazyConnectionDataSourceProxy::new),
        TWICE(dataSource -> new DelegatingDataSource(new LazyConnectionDataSourceProxy(dataSource)));

        private final UnaryOperator<DataSource> around;

        Wrapping(UnaryOperator<DataSource> around) {
            this.around = around;
        }
    }

    @ParameterizedTest
    @CsvSource({"H2, NONE", "H2, OUTSIDE", "H2, LAZY", "H2, TWICE", "POSTGRESQL, NONE", "POSTGRESQL, TWICE"})
    void aStoreOverThemNeverCommitsAnOuterTransaction(TestDatabase database, Wrapping wrapping) throws SQLException {
        String url = database.create();
        try (HikariDataSource pool = TestDatabase.pool(url, 5);
                EntityManagerFactory factory =
                        TestDatabase.factory(wrapping.around.apply(new TransactionAwareDataSourceProxy(pool)))) {
            Optional<JpaKeyStore> store = store(factory);
            if (store.isEmpty()) {
                return;
            }
            IdempotencyKeyService<EntityManager> keys = askingTheStore(store.get());
            TransactionTemplate outer = new TransactionTemplate(new DataSourceTransactionManager(pool));

            outer.executeWithoutResult(status -> {
                SpringTransactions.insert(pool, "outer");
                try {
                    keys.once("order", KeyId.of("key"), TestApplication.REQUEST, stage -> TestApplication.RESPONSE);
                } catch (IllegalStateException refused) {
                    assertThat(refused).hasMessageContaining("transaction");
                }
                status.setRollbackOnly();
            });

            assertThat(TestApplication.rows(url)).isEmpty();
        }
    }

    /** The store is made in the middle of a transaction, which is still the application's afterwards. */
    @ParameterizedTest
    @CsvSource({"H2, NONE", "H2, TWICE", "POSTGRESQL, NONE", "POSTGRESQL, TWICE"})
    void makingAStoreOverThemNeverCommitsAnOuterTransaction(TestDatabase database, Wrapping wrapping)
            throws SQLException {
        String url = database.create();
        try (HikariDataSource pool = TestDatabase.pool(url, 5);
                EntityManagerFactory factory =
                        TestDatabase.factory(wrapping.around.apply(new TransactionAwareDataSourceProxy(pool)))) {
            TransactionTemplate outer = new TransactionTemplate(new DataSourceTransactionManager(pool));

            outer.executeWithoutResult(status -> {
                insertAroundAStore(pool, factory);
                status.setRollbackOnly();
            });
            assertThat(TestApplication.rows(url)).isEmpty();

            outer.executeWithoutResult(status -> insertAroundAStore(pool, factory));
            assertThat(TestApplication.rows(url)).containsExactly("after", "before");
        }
    }

    private static void insertAroundAStore(DataSource pool, EntityManagerFactory factory) {
        SpringTransactions.insert(pool, "before");
        store(factory)
                .ifPresent(made -> assertThat(made.find(KeyId.of("absent"))).isEmpty());
        SpringTransactions.insert(pool, "after");
    }

    private static Optional<JpaKeyStore> store(EntityManagerFactory factory) {
        try {
            return Optional.of(new JpaKeyStore(factory));
        } catch (IllegalArgumentException refused) {
            assertThat(refused).hasMessageContaining("TransactionAwareDataSourceProxy");
            return Optional.empty();
        }
    }
}
