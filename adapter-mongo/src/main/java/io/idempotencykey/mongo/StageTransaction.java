package io.idempotencykey.mongo;

import static com.mongodb.client.model.Projections.include;

import com.mongodb.ReadConcern;
import com.mongodb.ReadPreference;
import com.mongodb.ServerAddress;
import com.mongodb.TransactionOptions;
import com.mongodb.WriteConcern;
import com.mongodb.client.ClientSession;
import com.mongodb.client.MongoCollection;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import java.time.Duration;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.function.Supplier;
import org.bson.BsonDocument;
import org.jspecify.annotations.Nullable;

/**
 * One run of a stage's work with its fence, in a transaction of its own.
 *
 * @param servers the session's, as its client knows them
 * @param held the key that the fence must find
 * @param update the fence's update, which stores the progress that the work returned
 */
record StageTransaction(
        MongoCollection<BsonDocument> keys,
        ClientSession session,
        Supplier<Set<ServerAddress>> servers,
        StoredKey held,
        Function<StoredProgress, BsonDocument> update) {
    /** Maximum time of one commit on the server; the majority usually answers within milliseconds. */
    private static final Duration LONGEST_COMMIT = Duration.ofSeconds(10);

    /** How often a commit is sent at most while its answer is lost. */
    private static final int COMMITS = 3;

    /** What a transaction does before the work is called. */
    interface Take {
        /** Nothing to take: the key is held already. */
        Take NOTHING = session -> Optional.empty();

        /** Takes the key, or says as what the transaction ends instead. */
        Optional<StageCommit> take(ClientSession session);
    }

    StageCommit run(Duration lease, Take take, Function<ClientSession, StoredProgress> work) {
        StageSession stage = new StageSession(session);
        Optional<StageCommit> end;
        Function<Throwable, StageCommit> meaning = Failure::ofStore;
        try {
            session.startTransaction(options(lease));
            end = take.take(new StageSession(session).handle());
            if (end.isEmpty()) {
                meaning = thrown -> ofWork(stage, thrown);
                StoredProgress next = work.apply(stage.handle());
                stage.end();
                meaning = Failure::ofStore;
                end = fence(next);
            }
        } catch (Throwable e) {
            // Classified before the rollback, because the rollback's own failure says nothing about the stage's.
            StageCommit failed = meaning.apply(e);
            uninterrupted(() -> rollBack(stage, e));
            return failed;
        }
        if (end.isPresent()) {
            uninterrupted(() -> rollBack(stage, null));
            return end.get();
        }
        return commit();
    }

    private StageCommit ofWork(StageSession stage, Throwable thrown) {
        StageCommit failed = Failure.beforeCommit(thrown);
        boolean isTransient = failed.kind() == StageCommit.Kind.TRANSIENTLY_ROLLED_BACK;
        return isTransient && isOfAnotherCluster(stage, thrown) ? StageCommit.rolledBack(thrown) : failed;
    }

    /**
     * Whether an error of the work has left this transaction alone, which is then asked for: a server ends a
     * transaction with the error of a command in it.
     */
    private boolean isOfAnotherCluster(StageSession stage, Throwable thrown) {
        try {
            if (stage.isDoomed() || Failure.mayComeFrom(servers.get(), thrown)) {
                return false;
            }
            uninterrupted(() -> {
                BsonDocument unused = keys.find(new StageSession(session).handle(), KeyDocument.withId(held.id()))
                        .projection(include(KeyDocument.ID))
                        .first();
            });
            return true;
        } catch (RuntimeException e) {
            suppress(thrown, e);
            return false;
        }
    }

    /**
     * Makes a call while the thread isn't interrupted, and interrupts it again if it was: the driver sends nothing for
     * an interrupted thread, and the transaction would stay open.
     */
    private static void uninterrupted(Runnable call) {
        boolean interrupted = Thread.interrupted();
        try {
            call.run();
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private static TransactionOptions options(Duration lease) {
        Duration commit = lease.compareTo(LONGEST_COMMIT) < 0 ? lease : LONGEST_COMMIT;
        return TransactionOptions.builder()
                .readConcern(ReadConcern.SNAPSHOT)
                .writeConcern(WriteConcern.MAJORITY.withJournal(true))
                .readPreference(ReadPreference.primary())
                .maxCommitTime(commit.toMillis(), TimeUnit.MILLISECONDS)
                .build();
    }

    /** Sends the transaction's last write; an aborted transaction refuses it with NoSuchTransaction. */
    private Optional<StageCommit> fence(StoredProgress next) {
        long matched = keys.updateOne(
                        new StageSession(session).handle(),
                        KeyDocument.withRevision(held.id(), held.revision()),
                        update.apply(next))
                .getMatchedCount();
        return matched == 1 ? Optional.empty() : Optional.of(StageCommit.fencedOff());
    }

    private void rollBack(StageSession stage, @Nullable Throwable cause) {
        try {
            stage.end();
        } catch (RuntimeException refused) {
            suppress(cause, refused);
        }
        try {
            if (session.hasActiveTransaction()) {
                session.abortTransaction();
            }
        } catch (RuntimeException e) {
            // The transaction isn't committed, and the session's next one ends it.
            suppress(cause, e);
        }
    }

    private static void suppress(@Nullable Throwable cause, Throwable suppressed) {
        if (cause != null && cause != suppressed) {
            cause.addSuppressed(suppressed);
        }
    }

    /**
     * Commits, and sends the commit again while its answer is lost. That can't commit twice, and a transaction left
     * open would block the next try. After a lost answer only success is believed.
     */
    private StageCommit commit() {
        RuntimeException lost = null;
        for (int sent = 0; sent < COMMITS; sent++) {
            try {
                uninterrupted(session::commitTransaction);
                return StageCommit.committed();
            } catch (RuntimeException e) {
                if (lost == null) {
                    if (Failure.saysRolledBack(e)) {
                        return StageCommit.transientlyRolledBack(e);
                    }
                    lost = e;
                } else {
                    suppress(lost, e);
                }
                if (!Failure.isUnknownCommit(e) && !Failure.isInterruption(e)) {
                    break;
                }
            }
        }
        return StageCommit.unknown(Objects.requireNonNull(lost));
    }
}
