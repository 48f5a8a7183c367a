package com.example.idempotency.jdbc;

import io.idempotencykey.Fingerprint;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyCreation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyProgress;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/** A key as a row: the values of its columns, and the other way round. */
final class Row {
    /** What a key's creation fixes, in the order of {@link #creation}. */
    static final String CREATION =
            "creation_id, operation, method, path, parameters, complete, fingerprint, created_at";

    /** What each write of a key replaces, in the order of {@link #progress}. */
    static final String PROGRESS = "attempts, failed_attempts, last_error, updated_at, revision,"
            + " state, recovery_point, since, due, reason, status, headers, body";

    private Row() {}

    static List<@Nullable Object> creation(KeyCreation creation) {
        Request request = creation.request();
        return Arrays.asList(
                creation.creationId(),
                creation.operation(),
                request.method(),
                request.path(),
                request.parametersJson(),
                request.isComplete(),
                creation.fingerprint().value(),
                time(creation.createdAt()));
    }

    static List<@Nullable Object> progress(StoredProgress stored) {
        KeyProgress progress = stored.progress();
        Object[] columns = new Object[13];
        columns[0] = progress.attempts();
        columns[1] = progress.failedAttempts();
        columns[2] = progress.lastError();
        columns[3] = time(progress.updatedAt());
        columns[4] = stored.revision().value();
        Object[] state = progress.state().accept(new StateColumns());
        System.arraycopy(state, 0, columns, 5, state.length);
        return Arrays.asList(columns);
    }

    /** The columns from {@code state} on; those behind the last one that a state has are null. */
    private static final class StateColumns implements KeyState.Visitor<Object[]> {
        @Override
        public Object[] open(KeyState.Open open) {
            return new Object[] {"open", open.recoveryPoint().name(), null, time(open.resumableFrom())};
        }

        @Override
        public Object[] locked(KeyState.Locked locked) {
            return new Object[] {
                "locked", locked.recoveryPoint().name(), time(locked.lockedAt()), time(locked.leaseEnds())
            };
        }

        @Override
        public Object[] failed(KeyState.Failed failed) {
            return new Object[] {"failed", null, null, time(failed.expiresAt())};
        }

        @Override
        public Object[] finished(KeyState.Finished finished) {
            Response response = finished.response();
            return new Object[] {
                "finished",
                null,
                time(finished.finishedAt()),
                time(finished.expiresAt()),
                null,
                response.status(),
                response.headersJson(),
                response.body()
            };
        }

        @Override
        public Object[] quarantined(KeyState.Quarantined aside) {
            return new Object[] {"quarantined", aside.recoveryPoint().name(), time(aside.since()), null, aside.reason()
            };
        }
    }

    /** Reads a row; one that makes no sense, or only to a newer version, is unreadable. */
    static StoredKey read(ResultSet row) throws SQLException {
        try {
            return key(row);
        } catch (IllegalArgumentException | NullPointerException e) {
            throw new StoreFailure(StoreFailure.Kind.UNREADABLE, "the row of a key can't be read", e);
        }
    }

    private static StoredKey key(ResultSet row) throws SQLException {
        KeyCreation creation = new KeyCreation(
                new KeyId(row.getString("scope"), row.getString("value")),
                row.getObject("creation_id", UUID.class),
                row.getString("operation"),
                Request.restored(
                        row.getString("method"),
                        row.getString("path"),
                        row.getString("parameters"),
                        row.getBoolean("complete")),
                new Fingerprint(row.getString("fingerprint")),
                time(row, "created_at"));
        KeyProgress progress = new KeyProgress(
                state(row),
                row.getLong("attempts"),
                row.getInt("failed_attempts"),
                row.getString("last_error"),
                time(row, "updated_at"));
        return new StoredKey(
                new IdempotencyKey(creation, progress), new Revision(row.getObject("revision", UUID.class)));
    }

    private static KeyState state(ResultSet row) throws SQLException {
        String state = row.getString("state");
        return switch (state) {
            case "open" -> new KeyState.Open(point(row), time(row, "due"));
            case "locked" -> new KeyState.Locked(point(row), time(row, "since"), time(row, "due"));
            case "failed" -> new KeyState.Failed(time(row, "due"));
            case "finished" ->
                new KeyState.Finished(
                        Response.restored(row.getInt("status"), row.getString("headers"), row.getBytes("body")),
                        time(row, "since"),
                        time(row, "due"));
            case "quarantined" -> new KeyState.Quarantined(point(row), time(row, "since"), row.getString("reason"));
            default -> throw new IllegalArgumentException("unknown state '" + state + "'");
        };
    }

    private static RecoveryPoint point(ResultSet row) throws SQLException {
        return RecoveryPoint.named(row.getString("recovery_point"));
    }

    static OffsetDateTime time(Instant time) {
        return time.atOffset(ZoneOffset.UTC);
    }

    static Instant time(ResultSet row, String column) throws SQLException {
        return row.getObject(column, OffsetDateTime.class).toInstant();
    }
}
