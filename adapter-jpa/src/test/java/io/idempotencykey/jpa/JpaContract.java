package io.idempotencykey.jpa;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.contract.KeyStoreContract;
import io.idempotencykey.port.KeyStore;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Optional;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.TestInstance;

/** The contract of all adapters, with an application that keeps its rows as entities. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
abstract class JpaContract extends KeyStoreContract<EntityManager> {
    private final TestDatabase database;
    private HikariDataSource pool;
    private EntityManagerFactory factory;
    private JpaKeyStore store;

    JpaContract(TestDatabase database) {
        this.database = database;
    }

    @BeforeAll
    void open() {
        pool = TestDatabase.pool(database.create(), 20);
        factory = TestDatabase.factory(pool);
        store = new JpaKeyStore(factory);
    }

    @AfterAll
    void close() {
        factory.close();
        pool.close();
    }

    @Override
    public KeyStore<EntityManager> store() {
        return store;
    }

    @Override
    public KeyStore<EntityManager> emptyStore() {
        try (Connection connection = pool.getConnection();
                Statement statement = connection.createStatement()) {
            statement.execute("delete from idempotency_key");
        } catch (SQLException e) {
            throw new IllegalStateException(e);
        }
        return store;
    }

    @Override
    public void insert(EntityManager transaction, String name, String value) {
        transaction.persist(new ContractRow(name, value));
        transaction.flush();
    }

    @Override
    public void update(EntityManager transaction, String name, String value) {
        transaction.find(ContractRow.class, name).content = value;
        transaction.flush();
    }

    @Override
    public Optional<String> read(EntityManager transaction, String name) {
        return Optional.ofNullable(transaction.find(ContractRow.class, name)).map(row -> row.content);
    }

    @Override
    public Optional<String> read(String name) {
        return TestDatabase.inTransaction(factory, transaction -> read(transaction, name));
    }
}
