package io.idempotencykey.mongo;

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
import java.time.Duration;
import java.time.Instant;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import org.bson.BsonArray;
import org.bson.BsonBinary;
import org.bson.BsonBoolean;
import org.bson.BsonDateTime;
import org.bson.BsonDocument;
import org.bson.BsonInt32;
import org.bson.BsonInt64;
import org.bson.BsonString;
import org.bson.BsonValue;
import org.bson.RawBsonDocument;
import org.bson.UuidRepresentation;
import org.bson.codecs.BsonDocumentCodec;
import org.jspecify.annotations.Nullable;

/** A key as a document, with the filters that find it and the updates that change it. */
final class KeyDocument {
    static final String ID = "_id";
    static final String FORMAT = "format";
    static final String SCOPE = "scope";
    static final String OPERATION = "operation";
    static final String RECOVERY_POINT = "recoveryPoint";
    static final String STATE = "state";
    static final String RESUMABLE_FROM = "resumableFrom";
    static final String QUARANTINED_AT = "quarantinedAt";
    static final String EXPIRES_AT = "expiresAt";
    static final String REVISION = "revision";
    static final String SESSIONS = "sessions";

    static final String LOCKED = "locked";
    static final String QUARANTINED = "quarantined";
    static final String FINISHED = "finished";
    static final String FAILED = "failed";

    /** The format that is written, and the newest one that can be read. */
    static final int CURRENT_FORMAT = 1;

    /** The server's limit on a document, 16 MiB. */
    static final int MOST_BYTES = 16 * 1024 * 1024;

    /** How many holders' sessions are kept, the newest ones; an older one's transaction ends after a minute. */
    private static final int MOST_SESSIONS = 8;

    /** The fields that only some states have. */
    private static final List<String> OF_SOME_STATES = List.of(
            RESUMABLE_FROM,
            "lockedAt",
            "finishedAt",
            EXPIRES_AT,
            "response",
            QUARANTINED_AT,
            "quarantineReason",
            SESSIONS);

    private static final KeyState.Visitor<BsonDocument> STATE_FIELDS = new KeyState.Visitor<>() {
        @Override
        public BsonDocument open(KeyState.Open open) {
            return new BsonDocument().append(RESUMABLE_FROM, date(open.resumableFrom()));
        }

        @Override
        public BsonDocument locked(KeyState.Locked locked) {
            return new BsonDocument()
                    .append("lockedAt", date(locked.lockedAt()))
                    .append(RESUMABLE_FROM, date(locked.leaseEnds()));
        }

        @Override
        public BsonDocument failed(KeyState.Failed failed) {
            return new BsonDocument().append(EXPIRES_AT, date(failed.expiresAt()));
        }

        @Override
        public BsonDocument finished(KeyState.Finished finished) {
            return new BsonDocument()
                    .append("finishedAt", date(finished.finishedAt()))
                    .append(EXPIRES_AT, date(finished.expiresAt()))
                    .append("response", response(finished.response()));
        }

        @Override
        public BsonDocument quarantined(KeyState.Quarantined aside) {
            return new BsonDocument()
                    .append(QUARANTINED_AT, date(aside.since()))
                    .append("quarantineReason", new BsonString(aside.reason()));
        }
    };

    private KeyDocument() {}

    /**
     * Joins scope and value by a space. Neither can contain one, and it sorts before every character that they can
     * contain, so ids are unique and sort by scope and then by value.
     */
    static BsonString id(KeyId id) {
        return new BsonString(id.scope() + " " + id.value());
    }

    static BsonDocument withId(KeyId id) {
        return new BsonDocument(ID, id(id));
    }

    static BsonDocument withRevision(KeyId id, Revision revision) {
        return withId(id).append(REVISION, binary(revision.value()));
    }

    static BsonDateTime date(Instant instant) {
        return new BsonDateTime(instant.toEpochMilli());
    }

    private static BsonBinary binary(UUID uuid) {
        return new BsonBinary(uuid, UuidRepresentation.STANDARD);
    }

    /** The document of a new key; if it is locked, its holder's session is stored with it. */
    static BsonDocument insert(StoredKey key, @Nullable HolderSession holder) {
        BsonDocument document = withId(key.id());
        document.putAll(creation(key.key().creation()));
        document.putAll(changing(key.progress()));
        if (holder != null) {
            document.append(SESSIONS, new BsonArray(List.of(holder.id())));
        }
        checkSize(document);
        return document;
    }

    /**
     * The update outside a stage, which sets everything but the identity.
     *
     * @param holder the next holder; {@code null} if there is none
     * @param former the former holder's session if it is one of this process, else {@code null}
     */
    static BsonDocument replace(StoredKey next, @Nullable HolderSession holder, @Nullable HolderSession former) {
        BsonDocument set = creation(next.key().creation());
        set.putAll(changing(next.progress()));
        return update(set, next.progress(), holder, former);
    }

    /**
     * The update in a stage, which sets what changes within one creation.
     *
     * @param holder the holder that runs the stage; {@code null} if nobody holds the key afterwards
     * @param former the same holder if its session is stored with the key, else {@code null}
     */
    static BsonDocument advance(StoredProgress next, @Nullable HolderSession holder, @Nullable HolderSession former) {
        return update(changing(next), next, holder, former);
    }

    /**
     * Other holders' sessions stay listed until the key is finished, because each may still have an open transaction.
     */
    private static BsonDocument update(
            BsonDocument set, StoredProgress next, @Nullable HolderSession holder, @Nullable HolderSession former) {
        checkSize(set);
        BsonDocument unset = new BsonDocument();
        for (String field : OF_SOME_STATES) {
            if (!set.containsKey(field) && (isFinished(next) || !field.equals(SESSIONS))) {
                unset.append(field, BsonBoolean.TRUE);
            }
        }
        BsonDocument update = new BsonDocument("$set", set).append("$unset", unset);
        if (isLocked(next) && holder != null && holder != former) {
            BsonDocument newest = new BsonDocument("$each", new BsonArray(List.of(holder.id())))
                    .append("$slice", new BsonInt32(-MOST_SESSIONS));
            update.append("$push", new BsonDocument(SESSIONS, newest));
        } else if (!isLocked(next) && !isFinished(next) && former != null) {
            update.append("$pull", new BsonDocument(SESSIONS, former.id()));
        }
        return update;
    }

    static boolean isLocked(StoredProgress stored) {
        return stored.progress().state() instanceof KeyState.Locked;
    }

    private static boolean isFinished(StoredProgress stored) {
        return stored.progress().state() instanceof KeyState.Finished;
    }

    /** The length of the holder's lease; zero if nobody holds the key. */
    static Duration lease(StoredProgress stored) {
        return stored.progress().state() instanceof KeyState.Locked locked
                ? Duration.between(locked.lockedAt(), locked.leaseEnds())
                : Duration.ZERO;
    }

    /** Whether a document's key is locked and its holder's lease is over. */
    static boolean isAbandoned(BsonDocument document, Instant now) {
        return document.getString(STATE).getValue().equals(LOCKED)
                && !Instant.ofEpochMilli(document.getDateTime(RESUMABLE_FROM).getValue())
                        .isAfter(now);
    }

    /** The ids of the sessions that may have a transaction open for the key. */
    static List<BsonValue> sessions(BsonDocument document) {
        return document.getArray(SESSIONS, new BsonArray()).getValues();
    }

    private static BsonDocument creation(KeyCreation key) {
        Request request = key.request();
        return new BsonDocument(FORMAT, new BsonInt32(CURRENT_FORMAT))
                .append(SCOPE, new BsonString(key.id().scope()))
                .append("creationId", binary(key.creationId()))
                .append(OPERATION, new BsonString(key.operation()))
                .append(
                        "request",
                        new BsonDocument("method", new BsonString(request.method()))
                                .append("path", new BsonString(request.path()))
                                .append("parameters", new BsonString(request.parametersJson()))
                                .append("complete", BsonBoolean.valueOf(request.isComplete())))
                .append("fingerprint", new BsonString(key.fingerprint().value()))
                .append("createdAt", date(key.createdAt()));
    }

    private static BsonDocument changing(StoredProgress stored) {
        KeyProgress progress = stored.progress();
        BsonDocument document = new BsonDocument("updatedAt", date(progress.updatedAt()))
                .append("attempts", new BsonInt64(progress.attempts()))
                .append("failedAttempts", new BsonInt32(progress.failedAttempts()))
                .append("lastError", new BsonString(progress.lastError()))
                .append(
                        RECOVERY_POINT,
                        new BsonString(progress.state().recoveryPoint().name()))
                .append(REVISION, binary(stored.revision().value()))
                .append(STATE, new BsonString(progress.state().name()));
        document.putAll(progress.state().accept(STATE_FIELDS));
        return document;
    }

    private static BsonDocument response(Response response) {
        return new BsonDocument("status", new BsonInt32(response.status()))
                .append("headers", new BsonString(response.headersJson()))
                .append("body", new BsonBinary(response.body()));
    }

    /** Refuses a document that the server would refuse, before it is sent. */
    private static void checkSize(BsonDocument document) {
        int bytes = new RawBsonDocument(document, new BsonDocumentCodec())
                .getByteBuffer()
                .remaining();
        if (bytes > MOST_BYTES) {
            throw new IllegalArgumentException(
                    "argument 'key' is a document of " + bytes + " bytes; allowed: at most " + MOST_BYTES);
        }
    }

    /**
     * Reads a document that this library wrote.
     *
     * @throws StoreFailure if a newer version wrote it, or if no version writes such a document
     */
    static StoredKey read(BsonDocument document) {
        try {
            Fields fields = new Fields(document);
            int format = fields.integer(FORMAT);
            if (format < 1 || format > CURRENT_FORMAT) {
                throw new IllegalArgumentException(
                        "its format is " + format + ", and this version of the library reads up to " + CURRENT_FORMAT);
            }
            StoredKey key = read(fields);
            fields.end();
            return key;
        } catch (RuntimeException e) {
            throw new StoreFailure(
                    StoreFailure.Kind.UNREADABLE,
                    "a stored key can't be read, and is left as it is: " + e.getMessage()
                            + "; a newer version of the library or another program wrote it",
                    e);
        }
    }

    /** Which document it is, with the key's value cut to eight characters, since it may be a secret. */
    static String shownId(BsonDocument document) {
        BsonValue id = document.get(ID);
        if (!(id instanceof BsonString text)) {
            return "an _id that isn't a string";
        }
        // Whoever edited it may have put in anything, and is not to write lines of a log.
        String shown = text.getValue().replaceAll("\\p{Cntrl}", "?");
        int value = Math.min(shown.indexOf(' '), KeyId.MAX_LENGTH) + 1;
        return shown.substring(0, Math.min(value + 8, shown.length())) + "…";
    }

    private static StoredKey read(Fields fields) {
        String id = fields.text(ID);
        String scope = fields.text(SCOPE);
        if (!id.startsWith(scope + " ")) {
            throw new IllegalArgumentException("its _id isn't its scope, a space and a value");
        }
        Fields request = new Fields(fields.get("request").asDocument());
        KeyCreation creation = new KeyCreation(
                new KeyId(scope, id.substring(scope.length() + 1)),
                fields.uuid("creationId"),
                fields.text(OPERATION),
                Request.restored(
                        request.text("method"),
                        request.text("path"),
                        request.text("parameters"),
                        request.get("complete").asBoolean().getValue()),
                new Fingerprint(fields.text("fingerprint")),
                fields.date("createdAt"));
        KeyProgress progress = new KeyProgress(
                state(fields),
                fields.get("attempts").asInt64().getValue(),
                fields.integer("failedAttempts"),
                fields.text("lastError"),
                fields.date("updatedAt"));
        request.end();
        fields.skip(SESSIONS);
        return new StoredKey(new IdempotencyKey(creation, progress), new Revision(fields.uuid(REVISION)));
    }

    private static KeyState state(Fields fields) {
        String state = fields.text(STATE);
        String at = fields.text(RECOVERY_POINT);
        return switch (state) {
            case "open" -> new KeyState.Open(RecoveryPoint.named(at), fields.date(RESUMABLE_FROM));
            case LOCKED ->
                new KeyState.Locked(RecoveryPoint.named(at), fields.date("lockedAt"), fields.date(RESUMABLE_FROM));
            case FAILED -> new KeyState.Failed(fields.date(EXPIRES_AT));
            case FINISHED -> {
                Fields response = new Fields(fields.get("response").asDocument());
                Response restored = Response.restored(
                        response.integer("status"),
                        response.text("headers"),
                        response.get("body").asBinary().getData());
                response.end();
                yield new KeyState.Finished(restored, fields.date("finishedAt"), fields.date(EXPIRES_AT));
            }
            case QUARANTINED ->
                new KeyState.Quarantined(
                        RecoveryPoint.named(at), fields.date(QUARANTINED_AT), fields.text("quarantineReason"));
            default -> throw new IllegalArgumentException("its state is unknown");
        };
    }

    /** A document's fields. Each must be read, because an unread one has a meaning that this version doesn't know. */
    private static final class Fields {
        private final BsonDocument document;
        private final Set<String> known = new HashSet<>();

        Fields(BsonDocument document) {
            this.document = document;
        }

        BsonValue get(String field) {
            known.add(field);
            return document.containsKey(field) ? document.get(field) : missing(field);
        }

        private static BsonValue missing(String field) {
            throw new IllegalArgumentException("it has no field '" + field + "'");
        }

        void skip(String field) {
            known.add(field);
        }

        String text(String field) {
            return get(field).asString().getValue();
        }

        int integer(String field) {
            return get(field).asInt32().getValue();
        }

        Instant date(String field) {
            return Instant.ofEpochMilli(get(field).asDateTime().getValue());
        }

        UUID uuid(String field) {
            return get(field).asBinary().asUuid(UuidRepresentation.STANDARD);
        }

        void end() {
            for (String field : document.keySet()) {
                if (!known.contains(field)) {
                    throw new IllegalArgumentException(
                            "it has the unknown field '" + field.replaceAll("\\p{Cntrl}", "?") + "'");
                }
            }
        }
    }
}
