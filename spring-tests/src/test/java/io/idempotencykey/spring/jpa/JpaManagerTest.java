package io.idempotencykey.spring.jpa;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import com.mongodb.client.MongoClient;
import com.mongodb.client.MongoClients;
import com.zaxxer.hikari.HikariDataSource;
import io.agroal.api.AgroalDataSource;
import io.agroal.api.configuration.AgroalConnectionFactoryConfiguration.TransactionIsolation;
import io.agroal.api.configuration.supplier.AgroalDataSourceConfigurationSupplier;
import io.agroal.narayana.NarayanaTransactionIntegration;
import io.idempotencykey.Isolation;
import io.idempotencykey.jpa.JpaKeyStore;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.spring.InnerTransactions;
import io.idempotencykey.spring.SpringJpaTransactions;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import jakarta.transaction.TransactionManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Map;
import java.util.Objects;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.Function;
import javax.sql.DataSource;
import org.hibernate.SessionFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.springframework.data.mongodb.MongoTransactionManager;
import org.springframework.data.mongodb.core.SimpleMongoClientDatabaseFactory;
import org.springframework.jdbc.datasource.DataSourceTransactionManager;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.orm.jpa.DefaultJpaDialect;
import org.springframework.orm.jpa.JpaTransactionManager;
import org.springframework.orm.jpa.LocalContainerEntityManagerFactoryBean;
import org.springframework.orm.jpa.SharedEntityManagerCreator;
import org.springframework.orm.jpa.vendor.HibernateJpaVendorAdapter;
import org.springframework.transaction.InvalidIsolationLevelException;
import org.springframework.transaction.PlatformTransactionManager;
import org.springframework.transaction.jta.JtaTransactionManager;
import org.springframework.transaction.support.AbstractPlatformTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

/** The transaction managers of Spring's in whose transactions stages run, and those that are refused. */
class JpaManagerTest {
    @Test
    void aManagerOfAnotherFactoryIsRefused() {
        JpaApplication application = JpaApplication.Database.H2.application();
        PlatformTransactionManager others =
                JpaApplication.Database.POSTGRESQL.application().manager();

        assertThatIllegalArgumentException()
                .isThrownBy(() -> transactions(others, application.bean(EntityManagerFactory.class)))
                .withMessageContaining("argument 'manager' is a JpaTransactionManager of another factory")
                .withMessageContaining("made with this factory");
    }

    @Test
    void aManagerForConnectionsOrForMongoDbIsRefused() {
        JpaApplication application = JpaApplication.Database.H2.application();
        DataSource dataSource = application.bean(DataSource.class);
        EntityManagerFactory factory = application.bean(EntityManagerFactory.class);

        assertRefused(new DataSourceTransactionManager(dataSource), factory);
        assertRefused(new JdbcTransactionManager(dataSource), factory);
        try (MongoClient client = MongoClients.create("mongodb://localhost:1")) {
            assertRefused(new MongoTransactionManager(new SimpleMongoClientDatabaseFactory(client, "test")), factory);
        }
    }

    @Test
    void onH2AStageHasAnyIsolationThatSpringHas() {
        JpaApplication application = JpaApplication.Database.H2.application();

        assertThat(store(application.manager(), application.bean(EntityManagerFactory.class))
                        .isolations())
                .containsExactlyInAnyOrder(Isolation.READ_COMMITTED, Isolation.REPEATABLE_READ, Isolation.SERIALIZABLE);
        assertThatExceptionOfType(InvalidIsolationLevelException.class)
                .isThrownBy(() -> transactions(application.manager(), application.bean(EntityManagerFactory.class))
                        .run(Isolation.SNAPSHOT, Duration.ofSeconds(1), entityManager -> {}));
    }

    private static void assertRefused(PlatformTransactionManager manager, EntityManagerFactory factory) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> transactions(manager, factory))
                .withMessageContaining(
                        "argument 'manager' is a " + manager.getClass().getSimpleName())
                .withMessageContaining("allowed: the JpaTransactionManager of argument 'factory'");
    }

    /** Spring's proxy of a factory isn't equal to it. */
    @Test
    void aManagerOfTheFactoryWithinSpringsProxyIsTheFactorysOwn() {
        with(JpaApplication.Database.H2, "TRANSACTION_READ_COMMITTED", bean -> {
            EntityManagerFactory within = bean.getNativeEntityManagerFactory();
            JpaTransactionManager manager = new JpaTransactionManager(within);
            manager.setJpaDialect(Objects.requireNonNull(bean.getJpaDialect()));
            manager.setDataSource(bean.getDataSource());

            works(manager, Objects.requireNonNull(bean.getObject()), within);
        });
    }

    @Test
    void aManagerThatDoesNotSynchronizeIsRefusedWhenTheStoreIsMade() {
        JpaApplication application = JpaApplication.Database.H2.application();
        EntityManagerFactory factory = application.bean(EntityManagerFactory.class);
        JpaTransactionManager manager = new JpaTransactionManager(factory);
        manager.setTransactionSynchronization(AbstractPlatformTransactionManager.SYNCHRONIZATION_NEVER);

        assertThatIllegalArgumentException()
                .isThrownBy(() -> store(manager, factory))
                .withMessageContaining("no stage can run")
                .withMessageContaining("synchronization is not active");
    }

    /** With Spring's default dialect, which can't set an isolation. */
    @ParameterizedTest
    @CsvSource({
        "H2, TRANSACTION_READ_COMMITTED, refused",
        "H2, TRANSACTION_SERIALIZABLE, works",
        "POSTGRESQL, TRANSACTION_READ_COMMITTED, works"
    })
    void withoutHibernatesDialectTheDatabaseOrTheDataSourceHasToGiveTheIsolation(
            JpaApplication.Database database, String isolation, String end) {
        with(database, isolation, bean -> {
            EntityManagerFactory factory = Objects.requireNonNull(bean.getObject());
            JpaTransactionManager manager = new JpaTransactionManager(factory);
            manager.setJpaDialect(new DefaultJpaDialect());
            if (end.equals("works")) {
                works(manager, factory, factory);
            } else {
                assertThatIllegalArgumentException()
                        .isThrownBy(() -> store(manager, factory))
                        .withMessageContaining("argument 'strongest' is 'SERIALIZABLE'; allowed here: [READ_COMMITTED]")
                        .withMessageContaining("Configure the data source");
            }
        });
    }

    /** Under its names of Spring 6 and 7. */
    @ParameterizedTest
    @EnumSource
    void aHibernateTransactionManagerWorks(JpaApplication.Database database) {
        with(database, "TRANSACTION_READ_COMMITTED", bean -> {
            EntityManagerFactory factory = Objects.requireNonNull(bean.getObject());
            SessionFactory sessions = factory.unwrap(SessionFactory.class);

            works(hibernates(sessions), factory, sessions);
        });
    }

    private static PlatformTransactionManager hibernates(SessionFactory factory) {
        for (String where : new String[] {"jpa.hibernate", "hibernate5"}) {
            try {
                return Class.forName("org.springframework.orm." + where + ".HibernateTransactionManager")
                        .asSubclass(PlatformTransactionManager.class)
                        .getConstructor(SessionFactory.class)
                        .newInstance(factory);
            } catch (ClassNotFoundException e) {
                // The other Spring has it.
            } catch (ReflectiveOperationException e) {
                throw new IllegalStateException(e);
            }
        }
        throw new AssertionError("Spring has no HibernateTransactionManager");
    }

    @ParameterizedTest
    @CsvSource({"H2, SERIALIZABLE", "POSTGRESQL, READ_COMMITTED"})
    void aJtaTransactionManagerWorksInTheIsolationOfTheDatabaseOrTheDataSource(
            JpaApplication.Database database, TransactionIsolation isolation) throws SQLException {
        withJta(database, isolation, (manager, factory) -> works(manager, factory, factory));
    }

    @Test
    void aJtaTransactionManagerCanNotSetAnIsolationOfH2() throws SQLException {
        withJta(
                JpaApplication.Database.H2,
                TransactionIsolation.READ_COMMITTED,
                (manager, factory) -> assertThatIllegalArgumentException()
                        .isThrownBy(() -> store(manager, factory))
                        .withMessageContaining(
                                "argument 'strongest' is 'SERIALIZABLE'; allowed here: [READ_COMMITTED]"));
    }

    /** What joins is committed and rolled back with a stage, what leaves is refused, and a mark ends the stage. */
    private static void works(
            PlatformTransactionManager manager, EntityManagerFactory factory, EntityManagerFactory bound) {
        IdempotencyKeyService<EntityManager> keys = new IdempotencyKeyService<>(store(manager, factory));
        EntityManager shared = SharedEntityManagerCreator.createSharedEntityManager(bound);
        TransactionTemplate joining = new TransactionTemplate(manager);
        TransactionTemplate leaving = new TransactionTemplate(manager);
        leaving.setPropagationBehavior(TransactionTemplate.PROPAGATION_REQUIRES_NEW);
        Consumer<String> place = name -> joining.executeWithoutResult(status -> shared.persist(new PlacedOrder(name)));

        JpaApplication.once(keys, entityManager -> place.accept("kept"));
        assertThatIllegalStateException()
                .isThrownBy(() -> JpaApplication.once(keys, entityManager -> {
                    place.accept("failed");
                    throw new IllegalStateException("thrown by the stage");
                }))
                .withMessage("thrown by the stage");
        assertThatIllegalStateException()
                .isThrownBy(() -> JpaApplication.once(keys, entityManager -> {
                    place.accept("refused");
                    leaving.executeWithoutResult(status -> shared.persist(new PlacedOrder("left")));
                }))
                .withMessageContaining("leaves the stage's transaction");
        int[] runs = new int[1];
        assertFails(() -> JpaApplication.once(keys, entityManager -> {
            runs[0]++;
            place.accept("marked");
            joining.executeWithoutResult(status -> status.setRollbackOnly());
        }));

        assertThat(runs[0]).isEqualTo(1);
        assertThat(shared.createQuery("select name from PlacedOrder", String.class)
                        .getResultList())
                .containsExactly("kept");
    }

    private static void assertFails(Runnable stage) {
        try {
            stage.run();
        } catch (RuntimeException marked) {
            assertThat(marked.getMessage()).containsAnyOf("marked", "rollback-only");
            return;
        }
        throw new AssertionError("the stage is committed");
    }

    private static JpaKeyStore store(PlatformTransactionManager manager, EntityManagerFactory factory) {
        return new JpaKeyStore(factory, transactions(manager, factory), Isolation.SERIALIZABLE);
    }

    private static SpringJpaTransactions transactions(
            PlatformTransactionManager manager, EntityManagerFactory factory) {
        return new SpringJpaTransactions(manager, factory, InnerTransactions.REFUSED);
    }

    /** A factory as Spring makes it, over connections that come in an isolation. */
    private static void with(
            JpaApplication.Database database, String isolation, Consumer<LocalContainerEntityManagerFactoryBean> test) {
        try (HikariDataSource pool = new HikariDataSource()) {
            pool.setJdbcUrl(database.url());
            pool.setMaximumPoolSize(3);
            pool.setTransactionIsolation(isolation);
            LocalContainerEntityManagerFactoryBean bean = bean();
            bean.setDataSource(pool);
            bean.afterPropertiesSet();
            try {
                test.accept(bean);
            } finally {
                bean.destroy();
            }
        }
    }

    private static void withJta(
            JpaApplication.Database database,
            TransactionIsolation isolation,
            BiConsumer<JtaTransactionManager, EntityManagerFactory> test)
            throws SQLException {
        TransactionManager manager = com.arjuna.ats.jta.TransactionManager.transactionManager();
        NarayanaTransactionIntegration integration = new NarayanaTransactionIntegration(
                manager,
                com.arjuna
                        .ats
                        .jta
                        .common
                        .jtaPropertyManager
                        .getJTAEnvironmentBean()
                        .getTransactionSynchronizationRegistry());
        String url = database.url();
        Function<AgroalDataSourceConfigurationSupplier, AgroalDataSourceConfigurationSupplier> configured =
                settings -> settings.connectionPoolConfiguration(pool -> pool.maxSize(3)
                        .transactionIntegration(integration)
                        .connectionFactoryConfiguration(
                                factory -> factory.jdbcUrl(url).jdbcTransactionIsolation(isolation)));
        try (AgroalDataSource pool =
                AgroalDataSource.from(configured.apply(new AgroalDataSourceConfigurationSupplier()))) {
            LocalContainerEntityManagerFactoryBean bean = bean();
            bean.setJtaDataSource(pool);
            bean.setJpaPropertyMap(Map.of(
                    "hibernate.transaction.coordinator_class", "jta", "hibernate.transaction.jta.platform", "JBossTS"));
            bean.afterPropertiesSet();
            JtaTransactionManager springs =
                    new JtaTransactionManager(com.arjuna.ats.jta.UserTransaction.userTransaction(), manager);
            springs.afterPropertiesSet();
            try {
                test.accept(springs, Objects.requireNonNull(bean.getObject()));
            } finally {
                bean.destroy();
            }
        }
    }

    private static LocalContainerEntityManagerFactoryBean bean() {
        LocalContainerEntityManagerFactoryBean bean = new LocalContainerEntityManagerFactoryBean();
        bean.setPackagesToScan(PlacedOrder.class.getPackageName());
        bean.setJpaVendorAdapter(new HibernateJpaVendorAdapter());
        return bean;
    }
}
