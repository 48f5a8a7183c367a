package io.idempotencykey.benchmarks;

import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.Objects;
import java.util.UUID;
import javax.sql.DataSource;

/** Hand-written JDBC that reads whole keys, as the library does, where a retry needs six columns of them. */
final class HandWrittenWhole extends HandWritten {
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
    private static final List<String> TIMES = List.of("created_at", "updated_at", "finished_at");
    /** Of these the last three, which only other states have, come along unread. */
    private static final String REST =
            "attempts, failed_attempts, request_complete, locked_at, quarantined_at, quarantine_reason";

    private static final int FIRST = 7;
    private static final String FIND = ALONE.formatted(HandWritten.FIND.replace(
            " from",
            ", " + String.join(", ", TEXTS) + ", " + String.join(", ", IDS) + ", " + String.join(", ", TIMES) + ", "
                    + REST + " from"));

    HandWrittenWhole(DataSource pool, BookingRows rows) {
        super(pool, rows);
    }

    @Override
    Found find(String key) throws SQLException {
        return find(FIND, key);
    }

    @Override
    Found found(ResultSet result) throws SQLException {
        int column = FIRST;
        for (String unused : TEXTS) {
            Objects.requireNonNull(result.getString(column++));
        }
        for (String unused : IDS) {
            Objects.requireNonNull(result.getObject(column++, UUID.class));
        }
        for (String time : TIMES) {
            OffsetDateTime read = Objects.requireNonNull(result.getObject(column++, OffsetDateTime.class), time);
            Instant unused = read.toInstant();
        }
        long unusedAttempts = result.getLong(column++) + result.getInt(column++);
        boolean unusedComplete = result.getBoolean(column);
        return super.found(result);
    }
}
