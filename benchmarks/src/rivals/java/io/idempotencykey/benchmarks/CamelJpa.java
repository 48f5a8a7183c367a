package io.idempotencykey.benchmarks;

import com.zaxxer.hikari.HikariDataSource;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import org.apache.camel.processor.idempotent.jpa.JpaMessageIdRepository;
import org.apache.camel.processor.idempotent.jpa.MessageProcessed;
import org.springframework.orm.jpa.JpaTransactionManager;
import org.springframework.orm.jpa.SharedEntityManagerCreator;
import org.springframework.transaction.support.TransactionTemplate;

/**
 * Camel's {@code JpaMessageIdRepository}, called as its idempotent consumer calls it on a transacted route: a key is
 * added before the work, in the same transaction, and confirmed afterwards. The row is an entity.
 *
 * <p>It guarantees what {@link Camel} does, by a read and an insert, which a unique constraint refuses to the second.
 */
public final class CamelJpa implements Rival {
    /** For {@link java.util.ServiceLoader}. */
    public CamelJpa() {}

    @Override
    public String title() {
        return "Camel JPA";
    }

    @Override
    public Contestant.Task open(String url, HikariDataSource pool, Contest contest) {
        EntityManagerFactory factory = contest.closing(JpaApplication.configuration(pool)
                .managedClass(MessageProcessed.class)
                .property("hibernate.hbm2ddl.auto", "update")
                .createEntityManagerFactory());
        TransactionTemplate transactions = new TransactionTemplate(new JpaTransactionManager(factory));
        EntityManager entities = SharedEntityManagerCreator.createSharedEntityManager(factory);
        JpaMessageIdRepository repository = new JpaMessageIdRepository(
                factory,
                statements -> transactions.executeWithoutResult(status -> statements.run()),
                Example.OPERATION);
        // Or else it would have a transaction of its own.
        repository.setSharedEntityManager(true);
        repository.start();
        AutoCloseable unused = contest.closing(repository::stop);
        return number -> {
            String key = Example.newKey();
            transactions.executeWithoutResult(status -> {
                if (!repository.add(key)) {
                    throw new IllegalStateException("the key is stored: " + key);
                }
                entities.persist(new Booking(key, "placed"));
            });
            boolean unusedConfirmation = repository.confirm(key);
        };
    }
}
