package io.idempotencykey.benchmarks;

import java.sql.SQLException;

/** Fills PostgreSQL's table of keys. */
final class Keys {
    static final String SAMPLE = "sample";

    private static final String COPY = """
            insert into idempotency_key
            select k.scope, 'copy-' || n, gen_random_uuid(), k.operation, k.request_method, k.request_path,
                k.request_parameters, k.request_complete, k.fingerprint, k.created_at, k.updated_at, k.attempts,
                k.failed_attempts, k.last_error, k.state, k.recovery_point, k.locked_at,
                now() + interval '%s' + n * interval '1 ms', k.finished_at, k.response_status, k.response_headers,
                k.response_body, k.quarantined_at, k.quarantine_reason, gen_random_uuid()
            from idempotency_key k, generate_series(1, %d) n where k.key_value = 'sample'""";

    private Keys() {}

    /**
     * Copies the key named "sample". The first copy is due after the interval, and each other one a millisecond later.
     */
    static void copySample(String url, int count, String due) throws SQLException {
        Server.execute(url, COPY.formatted(due, count));
        Server.execute(url, "delete from idempotency_key where key_value = 'sample'");
        Server.execute(url, "vacuum analyze idempotency_key");
        Server.execute(url, "checkpoint");
        // Reading through the index brings as much of the table into the server's memory as that has room for.
        Server.execute(
                url,
                "set enable_seqscan = off; set enable_bitmapscan = off; "
                        + "select max(revision::text) from idempotency_key where scope = 'shop'");
    }

    /** Removes keys that {@link Example#keyAmong} named. */
    static void removeClaimed(String url) throws SQLException {
        Server.execute(url, "delete from idempotency_key where key_value like 'copy-%-%'");
        Server.execute(url, "vacuum idempotency_key");
    }
}
