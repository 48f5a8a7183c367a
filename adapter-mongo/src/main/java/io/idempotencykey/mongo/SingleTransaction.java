package io.idempotencykey.mongo;

import com.mongodb.MongoException;
import com.mongodb.ServerAddress;
import com.mongodb.client.ClientSession;
import com.mongodb.client.MongoCollection;
import com.mongodb.client.result.InsertOneResult;
import io.idempotencykey.KeyId;
import io.idempotencykey.port.KeyStore.SingleStage;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Supplier;
import org.bson.BsonDocument;

/**
 * One run of a request's only stage, in a transaction that writes the key first, so that no other one can, and last.
 *
 * <ol>
 *   <li>Inserts the key as it is while the stage runs, which nobody else sees. If another open transaction has written
 *       it, the server says so at once.
 *   <li>If the key is stored, the server has ended the transaction. Then the key is read, and if the stage replaces it,
 *       a second transaction begins with the replacement of the revision that was read.
 *   <li>Does the work, and updates the key that it has taken.
 * </ol>
 */
final class SingleTransaction {
    private final MongoCollection<BsonDocument> keys;
    private final StoredKey taken;
    private final SingleStage<ClientSession> stage;
    private final Function<KeyId, Optional<StoredKey>> find;
    private final StageTransaction transaction;
    private boolean isStored;

    SingleTransaction(
            MongoCollection<BsonDocument> keys,
            ClientSession session,
            Supplier<Set<ServerAddress>> servers,
            StoredKey taken,
            SingleStage<ClientSession> stage,
            Function<KeyId, Optional<StoredKey>> find) {
        this.keys = keys;
        this.taken = taken;
        this.stage = stage;
        this.find = find;
        this.transaction =
                new StageTransaction(keys, session, servers, taken, next -> KeyDocument.advance(next, null, null));
    }

    StageCommit run(Duration lease) {
        StageCommit end = transaction.run(lease, this::insert, stage::work);
        return isStored ? transaction.run(lease, this::replace, stage::work) : end;
    }

    private Optional<StageCommit> insert(ClientSession session) {
        BsonDocument document = KeyDocument.insert(taken, null);
        return unlessHeld(() -> {
            try {
                InsertOneResult unused = keys.insertOne(session, document);
            } catch (MongoException e) {
                // The collection has no other unique index than that of the identity.
                if (Failure.of(e) != Failure.DUPLICATE) {
                    throw e;
                }
                isStored = true;
            }
            return !isStored;
        });
    }

    /** The read is not part of the transaction, which begins at the server with its first write. */
    private Optional<StageCommit> replace(ClientSession session) {
        Optional<StoredKey> found = find.apply(taken.id());
        if (found.isEmpty() || !stage.replaces(found.get())) {
            return Optional.of(StageCommit.fencedOff());
        }
        BsonDocument filter = KeyDocument.withRevision(taken.id(), found.get().revision());
        BsonDocument update = KeyDocument.replace(taken, null, null);
        return unlessHeld(() -> keys.updateOne(session, filter, update).getMatchedCount() == 1);
    }

    /** Does a transaction's first write. */
    private static Optional<StageCommit> unlessHeld(Supplier<Boolean> write) {
        try {
            return write.get() ? Optional.empty() : Optional.of(StageCommit.fencedOff());
        } catch (MongoException e) {
            if (Failure.isWriteConflict(e)) {
                return Optional.of(StageCommit.held());
            }
            throw e;
        }
    }
}
