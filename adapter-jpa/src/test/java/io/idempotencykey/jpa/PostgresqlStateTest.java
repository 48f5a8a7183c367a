package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.KeyState;
import io.idempotencykey.port.StoredKey;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;

class PostgresqlStateTest extends JpaStateContract {
    PostgresqlStateTest() {
        super(TestDatabase.POSTGRESQL);
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
