package io.idempotencykey.benchmarks;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.jpa.JpaKeyStore;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import jakarta.persistence.PersistenceConfiguration;
import org.hibernate.jpa.HibernatePersistenceConfiguration;

/** An application with a pool, entities and a store of keys. */
final class JpaApplication implements AutoCloseable {
    private final HikariDataSource pool;
    private final EntityManagerFactory factory;
    private final JpaKeyStore store;

    JpaApplication(String url, int connections) {
        this(Server.pool(url, connections));
    }

    /** An application that has this pool, and closes it. */
    JpaApplication(HikariDataSource pool) {
        this.pool = pool;
        this.factory = factory(pool);
        this.store = new JpaKeyStore(factory);
    }

    static EntityManagerFactory factory(HikariDataSource pool) {
        return configuration(pool).createEntityManagerFactory();
    }

    /** For sessions on connections that are in a transaction already, which Hibernate would begin once more. */
    static EntityManagerFactory factoryWithinTransactions(HikariDataSource pool) {
        return configuration(pool)
                .property("hibernate.allow_update_outside_transaction", true)
                .createEntityManagerFactory();
    }

    static PersistenceConfiguration configuration(HikariDataSource pool) {
        return new HibernatePersistenceConfiguration("benchmark")
                .managedClass(Booking.class)
                .property("hibernate.connection.datasource", pool);
    }

    JpaKeyStore store() {
        return store;
    }

    /** The library's side, with a service of its own. */
    Library<EntityManager> library() {
        return new Library<>(store, (entities, id, content) -> entities.persist(new Booking(id, content)));
    }

    @Override
    public void close() {
        factory.close();
        pool.close();
    }
}
