package io.idempotencykey.jpa;

import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/** What a stage's transaction does with its key: how it takes it, and what it writes of it last. */
interface StageKey {
    /** What became of taking a key. */
    enum Taking {
        /** The session has to begin the transaction, and then the key is to be taken. */
        NOT_YET,
        /** No other transaction can take the key until this one ends. */
        TAKEN,
        /** Another transaction holds the key. */
        HELD,
        /** Another key is stored. */
        STORED
    }

    /** Begins the transaction on the adapter's own connection, before a session has it, if that saves a round trip. */
    default Taking open(Connection connection, Dialect.Stage stage) throws SQLException {
        return Taking.NOT_YET;
    }

    /** Takes the key at the beginning of a transaction, unless {@link #open} has. */
    Taking take(StageConnection on, Dialect.Stage promised) throws SQLException;

    /**
     * Writes the key, as the transaction's last statement.
     *
     * @param commits whether the statement also commits if it has written
     */
    Dialect.Fence last(Statements statements, Dialect.Stage stage, StoredProgress next, boolean commits)
            throws SQLException;

    /**
     * Whether the key shows that its transaction, which has ended before its last statement, was rolled back.
     *
     * @param statements on the same connection, where another transaction has begun
     */
    default boolean isRolledBack(Statements statements) throws SQLException {
        return false;
    }

    /** A key that is held since an earlier transaction. */
    record Held(KeyTable table, StoredKey held) implements StageKey {
        @Override
        public Taking take(StageConnection on, Dialect.Stage promised) {
            return Taking.TAKEN;
        }

        @Override
        public Dialect.Fence last(Statements statements, Dialect.Stage stage, StoredProgress next, boolean commits)
                throws SQLException {
            return table.fence(statements, stage, held.id(), held.revision(), next, commits);
        }
    }

    /**
     * A key that is taken by writing its row, which nobody else sees.
     *
     * @param replaced the expired key in its place, if there is one
     * @param isEscaped whether JSON and messages are written in ASCII
     */
    record Written(
            KeyTable table, StoredKey taken, @Nullable StoredKey replaced, boolean isEscaped) implements StageKey {
        @Override
        public Taking take(StageConnection on, Dialect.Stage promised) throws SQLException {
            return on.first(statements ->
                    table.take(statements, promised, taken, replaced == null ? null : replaced.revision(), isEscaped));
        }

        @Override
        public Dialect.Fence last(Statements statements, Dialect.Stage stage, StoredProgress next, boolean commits)
                throws SQLException {
            return table.fence(statements, stage, taken.id(), taken.revision(), next, commits);
        }

        /** The row was written when the transaction began. */
        @Override
        public boolean isRolledBack(Statements statements) throws SQLException {
            return table.find(statements, taken.id())
                    .filter(found -> found.revision().equals(taken.revision()))
                    .isEmpty();
        }
    }

    /** A key that is taken by a lock of the transaction's, and whose row is written once, at the end. */
    final class Locked implements StageKey {
        private final KeyTable table;
        private final StoredKey taken;
        private final Predicate<StoredKey> replaces;
        private final boolean opens;
        private @Nullable StoredKey replaced;

        /**
         * A key to be taken.
         *
         * @param replaces whether the stage replaces a stored key
         * @param replaced the expired key in its place, if one is known
         * @param opens whether the transaction is begun, and the key read, together with the lock
         */
        Locked(
                KeyTable table,
                StoredKey taken,
                Predicate<StoredKey> replaces,
                @Nullable StoredKey replaced,
                boolean opens) {
            this.table = table;
            this.taken = taken;
            this.replaces = replaces;
            this.replaced = replaced;
            this.opens = opens;
        }

        @Override
        public Taking open(Connection connection, Dialect.Stage promised) throws SQLException {
            if (!opens) {
                return Taking.NOT_YET;
            }
            Taking taking = opened(table.open(connection, promised, taken.id()));
            if (taking == Taking.TAKEN) {
                // Sends nothing; from here on the transaction is ended by the driver's calls.
                connection.setAutoCommit(false);
            } else {
                Dialect.execute(connection, "rollback");
            }
            return taking;
        }

        /** A stored key is told though another transaction holds the lock, which may be one that is told the same. */
        private Taking opened(KeyTable.Opening opening) {
            replaced = opening.found();
            if (replaced != null && !replaces.test(replaced)) {
                return Taking.STORED;
            }
            return opening.isLocked() ? Taking.TAKEN : Taking.HELD;
        }

        /** Whether the last write is an insert that a row of the key refuses as a duplicate. */
        boolean insertsBlindly() {
            return opens && replaced == null;
        }

        @Override
        public Taking take(StageConnection on, Dialect.Stage promised) throws SQLException {
            return opens || on.first(statements -> table.lock(statements, taken.id())) ? Taking.TAKEN : Taking.HELD;
        }

        @Override
        public Dialect.Fence last(Statements statements, Dialect.Stage promised, StoredProgress next, boolean commits)
                throws SQLException {
            StoredKey last = taken.with(next);
            if (insertsBlindly()) {
                return table.insertAndCommit(statements, last);
            }
            return table.fence(statements, promised, last, replaced == null ? null : replaced.revision(), commits);
        }
    }
}
