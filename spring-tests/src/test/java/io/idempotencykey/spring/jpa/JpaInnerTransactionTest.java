package io.idempotencykey.spring.jpa;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.spring.InnerTransactions;
import jakarta.persistence.EntityManager;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.logging.SimpleFormatter;
import org.aopalliance.intercept.MethodInterceptor;
import org.aopalliance.intercept.MethodInvocation;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.springframework.aop.framework.ProxyFactory;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.datasource.DriverManagerDataSource;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.TransactionDefinition;
import org.springframework.transaction.TransactionManager;
import org.springframework.transaction.interceptor.DefaultTransactionAttribute;
import org.springframework.transaction.interceptor.MatchAlwaysTransactionAttributeSource;
import org.springframework.transaction.interceptor.TransactionInterceptor;
import org.springframework.transaction.support.TransactionSynchronization;
import org.springframework.transaction.support.TransactionSynchronizationManager;
import org.springframework.transaction.support.TransactionTemplate;

/** Code that leaves a stage's transaction is named, and runs only where that is allowed. */
class JpaInnerTransactionTest {
    private final JpaApplication application = JpaApplication.Database.POSTGRESQL.application();

    @Test
    void whereItIsAllowedItStaysWhenTheStageFails() {
        IdempotencyKeyService<EntityManager> keys = application.keys(InnerTransactions.LOGGED);

        List<String> logged = logged(() -> {
            for (int i = 0; i < 2; i++) {
                String number = " " + i;
                assertThatIllegalStateException()
                        .isThrownBy(() -> JpaApplication.once(keys, entityManager -> {
                            application.service().required("stage" + number);
                            application.service().requiresNew("audit" + number);
                            throw new IllegalStateException("thrown by the stage");
                        }))
                        .withMessage("thrown by the stage");
            }
        });

        assertThat(application.orders()).containsExactly("audit 0", "audit 1");
        assertThat(logged)
                .singleElement()
                .asString()
                .startsWith(OrderService.class.getName() + ".requiresNew leaves the stage's transaction");
    }

    @Test
    void theStageGoesOnInItsOwnTransaction() {
        IdempotencyKeyService<EntityManager> keys = application.keys(InnerTransactions.LOGGED);

        JpaApplication.once(keys, entityManager -> {
            application.service().required("before");
            application.service().notSupported("without");
            application.service().required("after");
        });

        assertThat(application.orders()).containsExactly("after", "before", "without");
    }

    @Test
    void aRepositorysMethodIsNamed() {
        OrderRepository orders = application.bean(OrderRepository.class);

        // Spring translates exceptions that leave a repository.
        assertThatThrownBy(
                        () -> JpaApplication.once(application.keys(InnerTransactions.REFUSED), stage -> orders.count()))
                .cause()
                .isInstanceOf(IllegalStateException.class)
                .hasMessageStartingWith(OrderRepository.class.getName() + ".count leaves the stage's transaction");
    }

    /** An interface of the application's, whose proxy isn't Spring Data's. */
    interface Audit {
        void write();
    }

    @Test
    void aServiceBehindAnInterfaceIsNamed() {
        Audit audit = ProxyFactory.getProxy(Audit.class, apart());

        assertRefused(Audit.class.getName() + ".write", audit::write);
    }

    /** It stands between the service's proxy and Spring's interceptor. */
    @Test
    void aServiceWithAnAspectIsNamed() {
        ProxyFactory proxy = new ProxyFactory(Audit.class, (MethodInterceptor) JpaInnerTransactionTest::around);
        proxy.addAdvice(apart());

        assertRefused(Audit.class.getName() + ".write", () -> ((Audit) proxy.getProxy()).write());
    }

    private static @Nullable Object around(MethodInvocation method) throws Throwable {
        return method.proceed();
    }

    /** Spring's own, for methods with REQUIRES_NEW. */
    private TransactionInterceptor apart() {
        MatchAlwaysTransactionAttributeSource always = new MatchAlwaysTransactionAttributeSource();
        always.setTransactionAttribute(new DefaultTransactionAttribute(TransactionDefinition.PROPAGATION_REQUIRES_NEW));
        return new TransactionInterceptor((TransactionManager) application.manager(), always);
    }

    /** It would have to be resumed otherwise. */
    @Test
    void nothingElseHasStoodBackWhenItIsRefused() {
        List<String> stoodBack = new CopyOnWriteArrayList<>();
        TransactionSynchronization early = new TransactionSynchronization() {
            @Override
            public int getOrder() {
                return 0;
            }

            @Override
            public void suspend() {
                stoodBack.add("early");
            }
        };

        assertRefused(OrderService.class.getName() + ".requiresNew", () -> {
            TransactionSynchronizationManager.registerSynchronization(early);
            application.service().requiresNew("left");
        });

        assertThat(stoodBack).isEmpty();
    }

    @Test
    void whatUsesATemplateIsNamed() {
        TransactionTemplate template = new TransactionTemplate(application.manager());
        template.setPropagationBehavior(TransactionDefinition.PROPAGATION_REQUIRES_NEW);

        assertRefused(
                getClass().getName() + ".whatUsesATemplateIsNamed", () -> template.executeWithoutResult(status -> {}));
    }

    /** Also one on the same database, because it has a connection of its own. */
    @Test
    void aTransactionOfAnotherManagerIsRefused() {
        TransactionTemplate other = new TransactionTemplate(new JdbcTransactionManager(other()));

        assertRefused(
                getClass().getName() + ".aTransactionOfAnotherManagerIsRefused",
                () -> other.executeWithoutResult(status -> {}));
    }

    /** Nobody tells of such statements; the documentation says so. */
    @Test
    void aStatementOnAnotherDataSourceStays() {
        IdempotencyKeyService<EntityManager> keys = application.keys(InnerTransactions.REFUSED);

        assertThatIllegalStateException()
                .isThrownBy(() -> JpaApplication.once(keys, entityManager -> {
                    new JdbcTemplate(other()).update("insert into placed_order (name) values ('left')");
                    throw new IllegalStateException("thrown by the stage");
                }))
                .withMessage("thrown by the stage");

        assertThat(application.orders()).containsExactly("left");
    }

    private DriverManagerDataSource other() {
        return new DriverManagerDataSource(application.property("spring.datasource.url"));
    }

    private void assertRefused(String method, Runnable leaving) {
        IdempotencyKeyService<EntityManager> keys = application.keys(InnerTransactions.REFUSED);

        assertThatIllegalStateException()
                .isThrownBy(() -> JpaApplication.once(keys, entityManager -> {
                    application.service().required("stage");
                    leaving.run();
                }))
                .withMessageStartingWith(method + " leaves the stage's transaction");

        assertThat(application.orders()).isEmpty();
    }

    /** What is logged meanwhile, without its time. */
    private static List<String> logged(Runnable work) {
        List<String> logged = new CopyOnWriteArrayList<>();
        Handler handler = new Handler() {
            @Override
            public void publish(LogRecord log) {
                logged.add(new SimpleFormatter().formatMessage(log));
            }

            @Override
            public void flush() {}

            @Override
            public void close() {}
        };
        Logger logger = Logger.getLogger("io.idempotencykey");
        Level level = logger.getLevel();
        logger.setLevel(Level.WARNING);
        logger.addHandler(handler);
        try {
            work.run();
        } finally {
            logger.removeHandler(handler);
            logger.setLevel(level);
        }
        return logged;
    }
}
