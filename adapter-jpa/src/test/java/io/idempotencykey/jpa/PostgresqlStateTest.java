package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.KeyState;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StoredKey;
import java.sql.Connection;
import java.time.Instant;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.Test;

class PostgresqlStateTest extends JpaStateContract {
    PostgresqlStateTest() {
        super(TestDatabase.POSTGRESQL);
    }

    /** As the server may do while a unique index is made anew, by its page on INSERT. */
    @Test
    void aKeyIsFoundWhoseInsertTheServerRefusesAsADuplicate() throws Exception {
        with((store, factory, pool) -> {
            StoredKey key = sample("scope");
            assertThat(store.insert(key)).isTrue();
            try (Connection connection = pool.getConnection()) {
                TestDatabase.execute(
                        connection,
                        "create function refuse() returns trigger language plpgsql as"
                                + " 'begin raise exception using errcode = ''unique_violation''; end'");
                TestDatabase.execute(
                        connection,
                        "create trigger refuse before insert on idempotency_key for each row execute function refuse()");
            }

            assertThat(store.insertOrFind(new StoredKey(key.key(), new Revision(UUID.randomUUID()))))
                    .contains(key);
        });
    }

    @Test
    void anInstantOfAnyYearIsKept() throws Exception {
        with((store, factory, pool) -> {
            for (String text : List.of(
                    "-4000-03-15T12:00:00.001Z",
                    "0001-01-01T00:00:00Z",
                    "0999-12-31T23:59:59.999Z",
                    "1000-01-01T00:00:00Z",
                    "2026-02-03T04:05:06.000007Z",
                    "2026-10-11T12:13:14.150Z",
                    "9999-12-31T23:59:59.999999Z",
                    "+10000-01-01T00:00:00Z",
                    "+290000-01-01T00:00:00.001Z")) {
                Instant at = Instant.parse(text);
                StoredKey key = sample("scope", new KeyState.Failed(at), at);
                assertThat(store.insert(key)).isTrue();
                assertThat(store.find(key.id())).as(text).contains(key);
            }
        });
    }
}
