package io.idempotencykey.compatibility;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.jpa.JpaKeyStore;
import io.idempotencykey.port.KeyStore;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import org.hibernate.jpa.HibernatePersistenceConfiguration;
import org.junit.jupiter.api.Test;

/** Compatibility on a database, whose table an application of version 0.1 made, and upgrades by the script for it. */
abstract class SqlCompatibilityContract extends CompatibilityContract<EntityManager> {
    private final String name;
    private final HikariDataSource pool = new HikariDataSource();
    private final List<EntityManagerFactory> factories = new ArrayList<>();

    SqlCompatibilityContract(String name) {
        this.name = name;
    }

    /** The URL of a new database. */
    abstract String newDatabase() throws Exception;

    /** The statements that put in the rows that the keys' table has. */
    abstract List<String> inserts() throws SQLException;

    @Override
    final void makeTheFirstVersionsStore(FirstVersion first) throws Exception {
        pool.setJdbcUrl(newDatabase());
        pool.setMaximumPoolSize(20);
        execute(first.schema(name + ".sql"));
        execute("create table effect (text varchar(200))");
    }

    @Override
    void close() throws Exception {
        factories.forEach(EntityManagerFactory::close);
        pool.close();
    }

    final void execute(String script) throws SQLException {
        try (Connection connection = pool.getConnection();
                Statement statement = connection.createStatement()) {
            for (String sql : script.replaceAll("(?m)^\\s*--.*$", "").split(";\\s*(\\n|$)", -1)) {
                if (!sql.isBlank()) {
                    statement.execute(sql);
                }
            }
        }
    }

    final List<String> ask(String sql) throws SQLException {
        try (Connection connection = pool.getConnection();
                Statement statement = connection.createStatement();
                ResultSet result = statement.executeQuery(sql)) {
            List<String> found = new ArrayList<>();
            while (result.next()) {
                found.add(result.getString(1));
            }
            return found;
        }
    }

    final String file() {
        return "rows-" + name + ".sql";
    }

    @Override
    final void load() throws SQLException {
        execute(FirstVersion.stored(file()));
    }

    @Override
    void upgrade() throws Exception {
        String file = "schema/upgrade-0.2/" + name + ".sql";
        execute(FirstVersion.text(JpaKeyStore.class.getResourceAsStream(file), file));
    }

    private EntityManagerFactory factory(Class<?>... entities) {
        HibernatePersistenceConfiguration configuration = new HibernatePersistenceConfiguration("shop");
        configuration.property("hibernate.connection.datasource", pool);
        for (Class<?> entity : entities) {
            configuration.managedClass(entity);
        }
        EntityManagerFactory factory = configuration.createEntityManagerFactory();
        factories.add(factory);
        return factory;
    }

    @Override
    final FirstVersion.Server firstVersion(FirstVersion first) {
        FirstVersion.Effect effect = (handle, text) -> write((EntityManager) handle, text);
        return first.server(
                "onJpa",
                new Class<?>[] {EntityManagerFactory.class, java.util.function.BiConsumer.class},
                factory(first.entity()),
                effect);
    }

    @Override
    final KeyStore<EntityManager> store() {
        return new JpaKeyStore(factory());
    }

    @Override
    final void write(EntityManager handle, String text) {
        handle.createNativeQuery("insert into effect values (?1)")
                .setParameter(1, text)
                .executeUpdate();
    }

    @Override
    final List<String> written() throws SQLException {
        return ask("select text from effect");
    }

    @Test
    void anUpgradedTableHasTheIndexesOfANewOne() throws Exception {
        load();
        upgrade();
        List<String> upgraded = indexes();

        execute("drop table idempotency_key");
        String file = "schema/" + name + ".sql";
        execute(FirstVersion.text(JpaKeyStore.class.getResourceAsStream(file), file));

        assertThat(upgraded).isEqualTo(indexes()).hasSizeGreaterThan(6);
    }

    /** Each column of each index, with its place, and with the condition of the rows that are in it. */
    private List<String> indexes() throws SQLException {
        try (Connection connection = pool.getConnection()) {
            String table = name.equals("h2") ? "IDEMPOTENCY_KEY" : "idempotency_key";
            List<String> found = new ArrayList<>();
            try (ResultSet index =
                    connection.getMetaData().getIndexInfo(connection.getCatalog(), null, table, false, true)) {
                while (index.next()) {
                    // A primary key's index has a name that H2 makes up.
                    String itsName = index.getString("INDEX_NAME");
                    found.add((itsName == null || itsName.startsWith("PRIMARY") ? "primary" : itsName) + " "
                            + index.getInt("ORDINAL_POSITION") + " " + index.getString("COLUMN_NAME") + " "
                            + index.getString("FILTER_CONDITION"));
                }
            }
            return found.stream().sorted().toList();
        }
    }

    @Test
    void aTableThatIsNotUpgradedIsRefusedAtTheStart() {
        assertThatIllegalArgumentException().isThrownBy(this::store).withMessageContaining("failed");
    }

    /** The rows that version 0.1 stores now, as a script. */
    final String dump() throws Exception {
        fill(firstVersion(first()));
        return String.join("\n", inserts()) + "\n";
    }

    /** The same by an expression that gives a column's value as a literal. */
    final List<String> inserts(UnaryOperator<String> literal) throws SQLException {
        List<String> columns = ask("select column_name from information_schema.columns where table_name ="
                + " 'idempotency_key' order by ordinal_position");
        return ask("select concat('insert into idempotency_key (" + String.join(", ", columns) + ") values (', "
                + columns.stream().map(literal).collect(Collectors.joining(", ', ', "))
                + ", ');') from idempotency_key order by key_value");
    }
}
