package io.idempotencykey.mongo;

import com.mongodb.client.ClientSession;
import org.bson.BsonBinary;

/** The session that a key's holder runs its stages in; its id is stored with the key. Used by one thread at a time. */
final class HolderSession {
    private final ClientSession session;
    private boolean killedOthers;

    HolderSession(ClientSession session) {
        this.session = session;
    }

    ClientSession session() {
        return session;
    }

    BsonBinary id() {
        return session.getServerSession().getIdentifier().getBinary("id");
    }

    /** Whether the former holders' sessions have been killed; no others can come later. */
    boolean hasKilledOthers() {
        return killedOthers;
    }

    void othersAreKilled() {
        killedOthers = true;
    }

    void close() {
        session.close();
    }
}
