package io.idempotencykey.mongo;

import com.mongodb.ReadConcern;
import com.mongodb.ReadPreference;
import com.mongodb.TransactionOptions;
import com.mongodb.WriteConcern;
import com.mongodb.client.ClientSession;
import com.mongodb.client.MongoCollection;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.bson.BsonDocument;
import org.jspecify.annotations.Nullable;

/**
 * One run of a stage's work with its fence, in a transaction of its own.
 *
 * @param holder the holder that runs the stage
 * @param former the same holder if its session is stored with the key, else {@code null}
 */
record StageTransaction(
        MongoCollection<BsonDocument> keys,
        HolderSession holder,
        @Nullable HolderSession former,
        StoredKey held) {
    /** Maximum time of one commit on the server; the majority usually answers within milliseconds. */
    private static final Duration LONGEST_COMMIT = Duration.ofSeconds(10);

    /** How often a commit is sent at most while its answer is lost. */
    private static final int COMMITS = 3;

    StageCommit run(Duration lease, Function<ClientSession, StoredProgress> work) {
        ClientSession session = holder.session();
        StageSession stage = new StageSession(session);
        boolean matched;
        try {
            session.startTransaction(options(lease));
            StoredProgress next = work.apply(stage.handle());
            stage.end();
            matched = fence(session, next);
        } catch (Throwable e) {
            // Classified before the rollback, because the rollback's own failure says nothing about the stage's.
            StageCommit end = Failure.beforeCommit(e);
            rollBack(session, stage, e);
            return end;
        }
        if (!matched) {
            rollBack(session, stage, null);
            return StageCommit.fencedOff();
        }
        return commit(session);
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
    private boolean fence(ClientSession session, StoredProgress next) {
        return keys.updateOne(
                                new StageSession(session).handle(),
                                KeyDocument.withRevision(held.id(), held.revision()),
                                KeyDocument.advance(next, holder, former))
                        .getMatchedCount()
                == 1;
    }

    private static void rollBack(ClientSession session, StageSession stage, @Nullable Throwable cause) {
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
    private static StageCommit commit(ClientSession session) {
        RuntimeException lost = null;
        for (int sent = 0; sent < COMMITS; sent++) {
            try {
                session.commitTransaction();
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
                if (!Failure.isUnknownCommit(e)) {
                    break;
                }
            }
        }
        return StageCommit.unknown(Objects.requireNonNull(lost));
    }
}
