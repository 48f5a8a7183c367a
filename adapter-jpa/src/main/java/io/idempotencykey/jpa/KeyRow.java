package io.idempotencykey.jpa;

import static io.idempotencykey.jpa.KeyTable.required;

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
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * A key as a row: binds a statement's parameters one after the other, and reads a row's columns.
 *
 * <p>They are read by their places in {@link KeyTable#ALL}, since some drivers make a map of the names for every
 * result.
 */
final class KeyRow {
    private static final Map<String, Integer> PLACES = places();

    private final Dialect dialect;
    private final PreparedStatement statement;
    private final boolean isEscaped;
    private int index;
    private @Nullable Instant written;
    private @Nullable Object writtenValue;

    /**
     * Binds a statement's parameters.
     *
     * @param isEscaped whether JSON and messages are bound in ASCII, for databases that lack a character of theirs
     */
    KeyRow(Dialect dialect, PreparedStatement statement, boolean isEscaped) {
        this.dialect = dialect;
        this.statement = statement;
        this.isEscaped = isEscaped;
    }

    void identity(KeyId id) throws SQLException {
        text(id.scope());
        text(id.value());
    }

    /** All columns, in the order of {@link KeyTable#ALL}. */
    void key(StoredKey key) throws SQLException {
        identity(key.id());
        creation(key.key().creation());
        changing(key.progress());
    }

    void creation(KeyCreation key) throws SQLException {
        uuid(key.creationId());
        text(key.operation());
        text(key.request().method());
        text(key.request().path());
        text(escaped(key.request().parametersJson(), Integer.MAX_VALUE));
        statement.setBoolean(++index, key.request().isComplete());
        text(key.fingerprint().value());
        write(key.createdAt());
    }

    void changing(StoredProgress stored) throws SQLException {
        KeyProgress progress = stored.progress();
        write(progress.updatedAt());
        statement.setLong(++index, progress.attempts());
        integer(progress.failedAttempts());
        text(escaped(progress.lastError(), KeyProgress.MAX_ERROR_LENGTH));
        text(progress.state().recoveryPoint().name());
        state(progress.state().accept(StateColumns.OF));
        uuid(stored.revision().value());
    }

    /** What the state lacks is a null in the statement's text. */
    private void state(StateColumns columns) throws SQLException {
        if (columns.lockedAt != null) {
            write(columns.lockedAt);
        }
        if (columns.finishedAt != null) {
            write(columns.finishedAt);
        }
        if (columns.dueAt != null) {
            write(columns.dueAt);
        }
        if (columns.response != null) {
            integer(columns.response.status());
            text(escaped(columns.response.headersJson(), Integer.MAX_VALUE));
            statement.setBytes(++index, columns.response.body());
        }
        if (columns.quarantined != null) {
            write(columns.quarantined.since());
            text(escaped(columns.quarantined.reason(), KeyState.Quarantined.MAX_REASON_LENGTH));
        }
    }

    /** In JSON such an escape means the same character; in a message a person reads it. */
    private String escaped(String text, int longest) {
        if (!isEscaped) {
            return text;
        }
        StringBuilder ascii = new StringBuilder();
        for (int i = 0; i < text.length(); i++) {
            char character = text.charAt(i);
            String next = character < 128 ? "" + character : String.format("\\u%04x", (int) character);
            if (ascii.length() + next.length() > longest) {
                break;
            }
            ascii.append(next);
        }
        return ascii.toString();
    }

    void text(String text) throws SQLException {
        statement.setString(++index, text);
    }

    void integer(int value) throws SQLException {
        statement.setInt(++index, value);
    }

    void lock(long lock) throws SQLException {
        statement.setLong(++index, lock);
    }

    void uuid(UUID uuid) throws SQLException {
        dialect.bind(statement, ++index, uuid);
    }

    /** An instant to compare with. */
    void instant(Instant instant) throws SQLException {
        statement.setObject(++index, dialect.value(instant));
    }

    /** An instant of a column; most of a row's are the same, whose value is made once. */
    private void write(Instant instant) throws SQLException {
        if (!instant.equals(written)) {
            written = instant;
            writtenValue = dialect.columnValue(instant);
        }
        statement.setObject(++index, writtenValue);
    }

    private static Map<String, Integer> places() {
        Map<String, Integer> places = new HashMap<>();
        Arrays.stream(KeyTable.ALL.split(", ")).forEach(column -> places.put(column, places.size() + 1));
        return places;
    }

    private static int place(String column) {
        return required(PLACES.get(column), column);
    }

    /**
     * Reads a row that this library wrote, with all columns in their order.
     *
     * @throws StoreFailure if no version, or a newer one, writes such a row
     */
    static StoredKey read(Dialect dialect, ResultSet result) throws SQLException {
        try {
            return readKnown(dialect, result);
        } catch (RuntimeException e) {
            throw new StoreFailure(
                    StoreFailure.Kind.UNREADABLE,
                    "a stored key can't be read, and is left as it is: " + e.getMessage()
                            + "; a newer version of the library or another program wrote it",
                    e);
        }
    }

    private static StoredKey readKnown(Dialect dialect, ResultSet result) throws SQLException {
        KeyCreation creation = new KeyCreation(
                new KeyId(text(result, "scope"), text(result, "key_value")),
                uuid(dialect, result, "creation_id"),
                text(result, "operation"),
                Request.restored(
                        text(result, "request_method"),
                        text(result, "request_path"),
                        text(result, "request_parameters"),
                        result.getBoolean(place("request_complete"))),
                new Fingerprint(text(result, "fingerprint")),
                instant(dialect, result, "created_at"));
        KeyProgress progress = new KeyProgress(
                state(dialect, result),
                result.getLong(place("attempts")),
                result.getInt(place("failed_attempts")),
                text(result, "last_error"),
                instant(dialect, result, "updated_at"));
        return new StoredKey(new IdempotencyKey(creation, progress), new Revision(uuid(dialect, result, "revision")));
    }

    private static KeyState state(Dialect dialect, ResultSet result) throws SQLException {
        RecoveryPoint at = new RecoveryPoint(text(result, "recovery_point"));
        String state = text(result, "state");
        return switch (state) {
            case "open" -> new KeyState.Open(at, instant(dialect, result, "due_at"));
            case "locked" ->
                new KeyState.Locked(at, instant(dialect, result, "locked_at"), instant(dialect, result, "due_at"));
            case "failed" -> new KeyState.Failed(instant(dialect, result, "due_at"));
            case "finished" ->
                new KeyState.Finished(
                        Response.restored(
                                result.getInt(place("response_status")),
                                text(result, "response_headers"),
                                required(result.getBytes(place("response_body")), "response_body")),
                        instant(dialect, result, "finished_at"),
                        instant(dialect, result, "due_at"));
            case "quarantined" ->
                new KeyState.Quarantined(
                        at, instant(dialect, result, "quarantined_at"), text(result, "quarantine_reason"));
            default -> throw new IllegalStateException("the stored state is '" + state + "'");
        };
    }

    static String text(ResultSet result, String column) throws SQLException {
        return required(result.getString(place(column)), column);
    }

    private static UUID uuid(Dialect dialect, ResultSet result, String column) throws SQLException {
        return required(dialect.uuid(result, place(column)), column);
    }

    private static Instant instant(Dialect dialect, ResultSet result, String column) throws SQLException {
        return required(dialect.instant(result, place(column)), column);
    }

    /** A state as columns; those that the state doesn't have are null. */
    private record StateColumns(
            @Nullable Instant lockedAt,
            @Nullable Instant dueAt,
            @Nullable Instant finishedAt,
            @Nullable Response response,
            KeyState.@Nullable Quarantined quarantined) {
        static final KeyState.Visitor<StateColumns> OF = new KeyState.Visitor<>() {
            @Override
            public StateColumns open(KeyState.Open open) {
                return new StateColumns(null, open.resumableFrom(), null, null, null);
            }

            @Override
            public StateColumns locked(KeyState.Locked locked) {
                return new StateColumns(locked.lockedAt(), locked.leaseEnds(), null, null, null);
            }

            @Override
            public StateColumns failed(KeyState.Failed failed) {
                return new StateColumns(null, failed.expiresAt(), null, null, null);
            }

            @Override
            public StateColumns finished(KeyState.Finished finished) {
                return new StateColumns(null, finished.expiresAt(), finished.finishedAt(), finished.response(), null);
            }

            @Override
            public StateColumns quarantined(KeyState.Quarantined quarantined) {
                return new StateColumns(null, null, null, null, quarantined);
            }
        };
    }
}
