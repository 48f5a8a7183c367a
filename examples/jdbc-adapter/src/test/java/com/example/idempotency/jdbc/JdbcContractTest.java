package com.example.idempotency.jdbc;

import io.idempotencykey.contract.KeyStoreContract;
import io.idempotencykey.port.KeyStore;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Optional;

/** The contract of all adapters, with an application that writes its rows by plain JDBC. */
class JdbcContractTest extends KeyStoreContract<Connection> {
    private final JdbcKeyStore store = new JdbcKeyStore(TestServer.DATA_SOURCE);

    @Override
    public KeyStore<Connection> store() {
        return store;
    }

    @Override
    public KeyStore<Connection> emptyStore() {
        try {
            TestServer.execute("truncate idempotency_key");
        } catch (SQLException e) {
            throw new Failed(e);
        }
        return store;
    }

    @Override
    public void insert(Connection transaction, String name, String value) {
        write(transaction, "insert into application_row (value, name) values (?, ?)", name, value);
    }

    @Override
    public void update(Connection transaction, String name, String value) {
        write(transaction, "update application_row set value = ? where name = ?", name, value);
    }

    private static void write(Connection transaction, String sql, String name, String value) {
        try (PreparedStatement statement = transaction.prepareStatement(sql)) {
            statement.setString(1, value);
            statement.setString(2, name);
            statement.executeUpdate();
        } catch (SQLException e) {
            throw new Failed(e);
        }
    }

    @Override
    public Optional<String> read(Connection transaction, String name) {
        try (PreparedStatement statement =
                transaction.prepareStatement("select value from application_row where name = ?")) {
            statement.setString(1, name);
            try (ResultSet rows = statement.executeQuery()) {
                return rows.next() ? Optional.of(rows.getString(1)) : Optional.empty();
            }
        } catch (SQLException e) {
            throw new Failed(e);
        }
    }

    @Override
    public Optional<String> read(String name) {
        try (Connection connection = TestServer.DATA_SOURCE.getConnection()) {
            return read(connection, name);
        } catch (SQLException e) {
            throw new Failed(e);
        }
    }

    /** The fixture's methods declare no checked exceptions. */
    private static final class Failed extends RuntimeException {
        private static final long serialVersionUID = 1L;

        Failed(SQLException cause) {
            super(cause);
        }
    }
}
