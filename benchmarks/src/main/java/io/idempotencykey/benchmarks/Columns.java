package io.idempotencykey.benchmarks;

import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.List;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Which columns of a stored key hand-written JDBC reads. */
enum Columns {
    /** The six that a retry needs. */
    NEEDED,
    /** All 25, which the library reads and hands out. */
    WHOLE;

    private static final String NEEDED_ONES =
            "fingerprint, state, due_at, response_status, response_headers, response_body";
    private static final int FIRST_OTHER = 7;
    private static final List<String> TEXTS = List.of(
            "scope",
            "key_value",
            "operation",
            "request_method",
            "request_path",
            "request_parameters",
            "last_error",
            "recovery_point");
    private static final List<String> IDS = List.of("creation_id", "revision");
    /** Of which a key that is locked or finished has three. */
    private static final List<String> TIMES = List.of("created_at", "updated_at", "locked_at", "finished_at");
    /** Of these the last two, which neither has, come along unread. */
    private static final List<String> REST =
            List.of("attempts", "failed_attempts", "request_complete", "quarantined_at", "quarantine_reason");

    /** The statement that finds a key by its scope and its value. */
    String find() {
        String others = this == NEEDED
                ? ""
                : Stream.of(TEXTS, IDS, TIMES, REST).flatMap(List::stream).collect(Collectors.joining(", ", ", ", ""));
        return "select " + NEEDED_ONES + others + " from idempotency_key where scope = ? and key_value = ?";
    }

    /**
     * Reads what stands behind the needed ones in the row at hand.
     *
     * @param id what the driver makes of an identifier
     * @param time what it makes of a time
     */
    void readOthers(ResultSet result, Class<?> id, Class<?> time) throws SQLException {
        if (this == NEEDED) {
            return;
        }
        int column = FIRST_OTHER;
        for (String unused : TEXTS) {
            Objects.requireNonNull(result.getString(column++));
        }
        for (String unused : IDS) {
            Objects.requireNonNull(result.getObject(column++, id));
        }
        for (String unused : TIMES) {
            Object unusedTime = result.getObject(column++, time);
        }
        long unusedAttempts = result.getLong(column++) + result.getInt(column++);
        boolean unusedComplete = result.getBoolean(column);
    }
}
