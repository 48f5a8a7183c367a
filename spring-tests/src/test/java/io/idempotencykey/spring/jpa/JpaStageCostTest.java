package io.idempotencykey.spring.jpa;

import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.spring.InnerTransactions;
import jakarta.persistence.EntityManager;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import javax.sql.DataSource;
import org.junit.jupiter.api.Test;
import org.springframework.beans.factory.config.BeanPostProcessor;
import org.springframework.jdbc.datasource.DelegatingDataSource;

/** What a stage in Spring's transaction costs on PostgreSQL, in round trips. */
class JpaStageCostTest {
    private static final Queue<String> ASKED = new ConcurrentLinkedQueue<>();

    /** Remembers what is asked of the server. */
    static class Recorder implements BeanPostProcessor {
        @Override
        public Object postProcessAfterInitialization(Object bean, String name) {
            return bean instanceof DataSource dataSource ? new Recorded(dataSource) : bean;
        }
    }

    private static final class Recorded extends DelegatingDataSource {
        Recorded(DataSource target) {
            super(target);
        }

        @Override
        public Connection getConnection() throws SQLException {
            return recorded(Connection.class, super.getConnection());
        }
    }

    private static <C> C recorded(Class<C> type, C target) {
        return type.cast(Proxy.newProxyInstance(
                type.getClassLoader(), new Class<?>[] {type}, (proxy, method, arguments) -> {
                    String name = method.getName();
                    if (name.startsWith("execute")
                            || name.endsWith("TransactionIsolation")
                            || name.equals("commit")
                            || name.equals("rollback")) {
                        ASKED.add(name);
                    }
                    try {
                        Object result = method.invoke(target, arguments);
                        if (result instanceof PreparedStatement statement) {
                            return recorded(PreparedStatement.class, statement);
                        }
                        return result instanceof java.sql.Statement statement
                                ? recorded(java.sql.Statement.class, statement)
                                : result;
                    } catch (InvocationTargetException e) {
                        throw e.getTargetException();
                    }
                }));
    }

    @Test
    void theIsolationIsSetByTheFirstStatementAndNotAskedFor() {
        try (JpaApplication application =
                JpaApplication.start(JpaApplication.Database.POSTGRESQL.url(), Recorder.class)) {
            IdempotencyKeyService<EntityManager> keys = application.keys(InnerTransactions.REFUSED);
            JpaApplication.once(keys, entityManager -> {});
            ASKED.clear();

            JpaApplication.once(keys, entityManager -> application.service().required("order"));

            assertThat(List.copyOf(ASKED))
                    .as("the read, the first statements, the lock, the order, the key, the commit")
                    .containsExactly("execute", "execute", "execute", "executeUpdate", "execute", "commit");
        }
    }
}
