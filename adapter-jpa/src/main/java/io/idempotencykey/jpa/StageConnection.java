package io.idempotencykey.jpa;

import jakarta.persistence.EntityManager;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import org.hibernate.engine.spi.SessionFactoryImplementor;
import org.hibernate.engine.spi.SessionImplementor;
import org.jspecify.annotations.Nullable;

/** What a stage's attempt can do with the connection of its transaction. */
interface StageConnection {
    /** The last statement of a stage. */
    @FunctionalInterface
    interface Fence {
        /**
         * Runs it; throws if it matched nothing.
         *
         * @param statements on the transaction's connection
         * @param commits whether it has to commit, too
         */
        void on(Statements statements, boolean commits) throws SQLException;
    }

    /** The dialect's part of the beginning of a transaction. */
    @FunctionalInterface
    interface Check {
        void on(Connection connection) throws SQLException;
    }

    /**
     * Whether the connection is the adapter's own, so that its settings may be changed and are restored, and calls that
     * would end its transaction are refused while a stage runs.
     */
    boolean isOwned();

    /** Sends the transaction's first statements, or has them sent along with the stage's first one. */
    void begin(List<String> statements, Check check) throws SQLException;

    /** Sends a statement before the stage's first one. */
    <R> R first(Statements.Work<R> work) throws SQLException;

    /** Whose turn it is to use the connection, and so which calls that end its transaction are refused. */
    enum Guard {
        /** The library's. */
        NONE,
        /** The stage's work: everything that ends the transaction is refused. */
        WORK,
        /** The callbacks' before the commit: the same, but Hibernate rolls back after one that fails. */
        CALLBACKS
    }

    /** Tells whose turn it is. */
    void guard(Guard guard);

    /** An error after which the server may have rolled the transaction back, even if the stage swallowed it. */
    @Nullable
    SQLException doom();

    /** Whether an error may be this connection's; another database's says nothing of it. */
    boolean mayHaveThrown(SQLException error);

    /** Runs the fence, or has it run when the commit reaches the connection. All callbacks have run. */
    void fence(Fence fence);

    /** Asks the server whether the transaction is still the one that began; throws if not. */
    void ping(Dialect.Stage stage) throws SQLException;

    /** Whether the transaction is known to be another than the one that began, even after an error. */
    boolean hasEnded(Dialect.Stage stage, Throwable after) throws SQLException;

    /** The connection that a session uses by itself: nothing on it can be watched, guarded or restored. */
    record OfSession(SessionImplementor session, Dialect dialect) implements StageConnection {
        /** Works on the connection of an entity manager that isn't the adapter's. */
        static void of(
                SessionFactoryImplementor factory,
                EntityManager entityManager,
                Dialect dialect,
                Transactions.Work work) {
            SessionImplementor session = entityManager.unwrap(SessionImplementor.class);
            if (!session.getFactory().getUuid().equals(factory.getUuid())) {
                throw new IllegalStateException("the entity manager is of another factory than the store;"
                        + " the factory, the transaction manager and the entity manager must belong together");
            }
            work.in(entityManager, new OfSession(session, dialect));
        }

        @Override
        public boolean isOwned() {
            return false;
        }

        @Override
        public void begin(List<String> statements, Check check) {
            session.doWork(connection -> {
                if (connection.getAutoCommit()) {
                    throw new IllegalStateException("the transaction's connection commits each statement by itself."
                            + " hibernate.connection.provider_disables_autocommit needs a data source that does so");
                }
                check.on(connection);
                for (String sql : dialect.sendsTogether() ? List.of(String.join("; ", statements)) : statements) {
                    Dialect.execute(connection, sql);
                }
            });
        }

        @Override
        public <R> R first(Statements.Work<R> work) {
            return session.doReturningWork(connection -> work.with(new Statements(connection)));
        }

        @Override
        public void guard(Guard guard) {}

        @Override
        public @Nullable SQLException doom() {
            return null;
        }

        @Override
        public boolean mayHaveThrown(SQLException error) {
            return true;
        }

        @Override
        public void fence(Fence fence) {
            session.doWork(connection -> fence.on(new Statements(connection), false));
        }

        @Override
        public void ping(Dialect.Stage stage) {
            session.doWork(connection -> dialect.ping(connection, stage));
        }

        @Override
        public boolean hasEnded(Dialect.Stage stage, Throwable after) {
            return session.doReturningWork(connection -> dialect.hasEnded(connection, stage, dialect.errors(after)));
        }
    }
}
