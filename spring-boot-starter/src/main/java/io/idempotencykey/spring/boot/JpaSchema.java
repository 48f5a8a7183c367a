package io.idempotencykey.spring.boot;

import io.idempotencykey.jpa.JpaKeyStore;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Locale;
import java.util.Map;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;
import org.springframework.core.io.ClassPathResource;
import org.springframework.jdbc.datasource.init.ResourceDatabasePopulator;

/** The table of the keys in an application's database. */
final class JpaSchema {
    private static final Map<String, String> FILES =
            Map.of("h2", "h2.sql", "mariadb", "mariadb.sql", "mysql", "mysql.sql", "postgresql", "postgresql.sql");

    private JpaSchema() {}

    /** The schema's file for a database; {@code null} if the store doesn't know the database. */
    static @Nullable String file(DataSource source) {
        try (Connection connection = source.getConnection()) {
            return FILES.get(connection.getMetaData().getDatabaseProductName().toLowerCase(Locale.ROOT));
        } catch (SQLException e) {
            return null;
        }
    }

    private static boolean isEmbedded(DataSource source) {
        try (Connection connection = source.getConnection()) {
            return connection.getMetaData().getURL().startsWith("jdbc:h2:mem:");
        } catch (SQLException e) {
            // The store says what is wrong with the database.
            return false;
        }
    }

    /** Makes the table if it isn't there and is to be made. */
    static void initialize(DataSource source, IdempotencyProperties.Initialize initialize) {
        boolean isDue = switch (initialize) {
            case ALWAYS -> true;
            case EMBEDDED -> isEmbedded(source);
            case NEVER -> false;
        };
        String file = isDue ? file(source) : null;
        if (file != null) {
            new ResourceDatabasePopulator(new ClassPathResource("schema/" + file, JpaKeyStore.class)).execute(source);
        }
    }
}
