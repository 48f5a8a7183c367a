package io.idempotencykey.jpa;

import static io.idempotencykey.contract.Services.askingTheStore;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.KeyId;
import io.idempotencykey.service.IdempotencyKeyService;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Objects;
import java.util.Properties;
import javax.sql.DataSource;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.springframework.jdbc.datasource.DataSourceUtils;
import org.springframework.orm.jpa.AbstractEntityManagerFactoryBean;
import org.springframework.orm.jpa.JpaTransactionManager;
import org.springframework.orm.jpa.SharedEntityManagerCreator;
import org.springframework.transaction.TransactionDefinition;
import org.springframework.transaction.support.TransactionSynchronizationManager;
import org.springframework.transaction.support.TransactionTemplate;

/** A store without a NewTransaction, in an application whose services and repositories work through Spring. */
class SpringApplicationTest {
    @OnH2AndPostgresql
    void aFactoryThatSpringMadeIsRefused(TestDatabase database) {
        try (HikariDataSource pool = TestDatabase.pool(database.create(), 5);
                SpringFactory spring = new SpringFactory(pool)) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> new JpaKeyStore(spring.factory()))
                    .withMessageContaining("NewTransaction");
        }
    }

    /** How a stage's code gets at the database without the stage's own entity manager. */
    private enum Way {
        TRANSACTIONAL_METHOD {
            @Override
            void write(Application application) {
                new TransactionTemplate(application.manager)
                        .executeWithoutResult(status -> application.shared.persist(new ContractRow("row", "1")));
            }
        },
        METHOD_IN_A_NEW_TRANSACTION {
            @Override
            void write(Application application) {
                TransactionTemplate template = new TransactionTemplate(application.manager);
                template.setPropagationBehavior(TransactionDefinition.PROPAGATION_REQUIRES_NEW);
                template.executeWithoutResult(status -> application.shared.persist(new ContractRow("row", "1")));
            }
        },
        INJECTED_ENTITY_MANAGER {
            @Override
            void write(Application application) {
                assertThat(application.shared.find(ContractRow.class, "row")).isNull();
            }
        },
        JDBC {
            @Override
            void write(Application application) throws SQLException {
                Connection connection = DataSourceUtils.getConnection(application.pool);
                try {
                    TestDatabase.execute(connection, "insert into contract_row values ('row', '1')");
                } finally {
                    DataSourceUtils.releaseConnection(connection, application.pool);
                }
            }
        };

        abstract void write(Application application) throws SQLException;
    }

    /**
     * Hibernate's own factory doesn't show that it is Spring's before a stage meets Spring. It isn't what {@code
     * unwrap(SessionFactory.class)} gives, which is Spring's proxy again.
     */
    @ParameterizedTest
    @CsvSource({
        "H2, TRANSACTIONAL_METHOD",
        "H2, METHOD_IN_A_NEW_TRANSACTION",
        "H2, INJECTED_ENTITY_MANAGER",
        "H2, JDBC",
        "POSTGRESQL, TRANSACTIONAL_METHOD",
        "POSTGRESQL, INJECTED_ENTITY_MANAGER",
        "POSTGRESQL, JDBC"
    })
    void aStageInWhichSpringTakesPartFailsAndSaysSo(TestDatabase database, Way way) throws SQLException {
        try (HikariDataSource pool = TestDatabase.pool(database.create(), 5);
                SpringFactory spring = new SpringFactory(pool)) {
            Application application = Application.over(pool, spring.factory());
            IdempotencyKeyService<EntityManager> keys =
                    askingTheStore(new JpaKeyStore(spring.getNativeEntityManagerFactory()));
            KeyId id = KeyId.of("key");

            assertThatIllegalStateException()
                    .isThrownBy(() -> keys.once("order", id, TestApplication.REQUEST, stage -> {
                        way.write(application);
                        return TestApplication.RESPONSE;
                    }))
                    .withMessageContaining("Spring")
                    .withMessageContaining("NewTransaction");

            assertThatExceptionOfType(IdempotencyException.NotFound.class).isThrownBy(() -> keys.retrieve(id));
            assertNothingIsBound();
            new TransactionTemplate(application.manager)
                    .executeWithoutResult(status -> application.shared.persist(new ContractRow("after", "1")));
            assertNothingIsBound();
        }
    }

    /** Also a stage that fails by itself, because what Spring has written has been committed nevertheless. */
    @OnH2AndPostgresql
    void aStageThatUsesSpringAndThrowsSaysBoth(TestDatabase database) {
        try (HikariDataSource pool = TestDatabase.pool(database.create(), 5);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            IdempotencyKeyService<EntityManager> keys = askingTheStore(new JpaKeyStore(factory));
            IllegalArgumentException own = new IllegalArgumentException("thrown by the stage");

            assertThatIllegalStateException()
                    .isThrownBy(() -> keys.once("order", KeyId.of("key"), TestApplication.REQUEST, stage -> {
                        Way.JDBC.write(Application.over(pool, factory));
                        throw own;
                    }))
                    .withMessageContaining("Spring")
                    .withCause(own);

            assertThatExceptionOfType(IdempotencyException.NotFound.class)
                    .isThrownBy(() -> keys.retrieve(KeyId.of("key")));
            assertNothingIsBound();
        }
    }

    private static void assertNothingIsBound() {
        assertThat(TransactionSynchronizationManager.getResourceMap()).isEmpty();
        assertThat(TransactionSynchronizationManager.isSynchronizationActive()).isFalse();
        assertThat(TransactionSynchronizationManager.isActualTransactionActive())
                .isFalse();
    }

    /** Only what Spring takes part in is refused, and not what the application does with its own factory. */
    @OnH2AndPostgresql
    void aStageWithoutSpringIsCommitted(TestDatabase database) throws SQLException {
        String url = database.create();
        try (HikariDataSource pool = TestDatabase.pool(url, 5);
                SpringFactory spring = new SpringFactory(pool)) {
            IdempotencyKeyService<EntityManager> keys =
                    askingTheStore(new JpaKeyStore(spring.getNativeEntityManagerFactory()));

            keys.once("order", KeyId.of("key"), TestApplication.REQUEST, stage -> {
                stage.transaction().persist(new ContractRow("row", "1"));
                return TestApplication.RESPONSE;
            });

            assertThat(TestApplication.rows(url)).containsExactly("row");
            assertNothingIsBound();
        }
    }

    /** What an application's code is given. */
    private record Application(
            DataSource pool, EntityManagerFactory factory, JpaTransactionManager manager, EntityManager shared) {
        static Application over(DataSource pool, EntityManagerFactory factory) {
            JpaTransactionManager manager = new JpaTransactionManager(factory);
            manager.setDataSource(pool);
            return new Application(
                    pool, factory, manager, SharedEntityManagerCreator.createSharedEntityManager(factory));
        }
    }

    /** Makes a factory as LocalContainerEntityManagerFactoryBean does, whose other half is about reading classes. */
    private static final class SpringFactory extends AbstractEntityManagerFactoryBean implements AutoCloseable {
        private static final long serialVersionUID = 1L;

        @SuppressWarnings("serial") // never serialized
        private final DataSource pool;

        SpringFactory(DataSource pool) {
            this.pool = pool;
            setJpaProperties(new Properties());
            afterPropertiesSet();
        }

        @Override
        protected EntityManagerFactory createNativeEntityManagerFactory() {
            return TestDatabase.factory(pool);
        }

        EntityManagerFactory factory() {
            return Objects.requireNonNull(getObject());
        }

        @Override
        public void close() {
            destroy();
        }
    }
}
