package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.port.StoredKey;
import jakarta.persistence.EntityManagerFactory;
import java.sql.SQLException;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** PostgreSQL keeps a row's place within its partition only, so that rows of several partitions have the same place. */
class PartitionedTableTest {
    private static final int PARTITIONS = 4;

    @ParameterizedTest
    @ValueSource(ints = {1, 500})
    void onlyExpiredKeysAreDeleted(int limit) throws SQLException {
        String url = partitioned();
        try (HikariDataSource pool = TestDatabase.pool(url, 2);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            JpaKeyStore store = new JpaKeyStore(factory);
            List<String> scopes = scopesOfDifferentPartitions(url, store);
            StoredKey expired = JpaStoreFixture.expired(scopes.get(0));
            List<StoredKey> locked = scopes.subList(1, PARTITIONS).stream()
                    .map(JpaStoreFixture::sample)
                    .toList();
            assertThat(store.insert(expired)).isTrue();
            locked.forEach(key -> assertThat(store.insert(key)).isTrue());
            assertThat(TestApplication.ask(url, "select distinct ctid from idempotency_key"))
                    .as("the places of all rows")
                    .hasSize(1);

            assertThat(store.deleteExpired(JpaStoreFixture.LATER, limit)).isEqualTo(1);

            assertThat(store.find(expired.id())).isEmpty();
            locked.forEach(key -> assertThat(store.find(key.id())).contains(key));
            assertThat(store.deleteExpired(JpaStoreFixture.LATER, limit)).isZero();
        }
    }

    private static String partitioned() throws SQLException {
        String schema = TestDatabase.POSTGRESQL.schema();
        int end = schema.indexOf(");", schema.indexOf("primary key"));
        StringBuilder partitions = new StringBuilder(") partition by hash (scope);");
        for (int i = 0; i < PARTITIONS; i++) {
            partitions.append("create table keys_" + i + " partition of idempotency_key for values with (modulus "
                    + PARTITIONS + ", remainder " + i + ");");
        }
        String url = TestDatabase.POSTGRESQL.create();
        TestDatabase.execute(
                url,
                "drop table idempotency_key",
                schema.substring(0, end) + partitions + schema.substring(end + ");".length()));
        return url;
    }

    private static List<String> scopesOfDifferentPartitions(String url, JpaKeyStore store) throws SQLException {
        for (int i = 0; i < 64; i++) {
            assertThat(store.insert(JpaStoreFixture.sample("scope-" + i))).isTrue();
        }
        List<String> scopes = TestApplication.ask(
                url, "select min(scope) from idempotency_key group by tableoid order by min(scope)");
        TestDatabase.execute(url, "truncate table idempotency_key");
        assertThat(scopes).hasSize(PARTITIONS);
        return scopes;
    }
}
