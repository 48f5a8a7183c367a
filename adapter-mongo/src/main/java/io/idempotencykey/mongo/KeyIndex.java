package io.idempotencykey.mongo;

import com.mongodb.client.model.IndexModel;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.bson.BsonBoolean;
import org.bson.BsonDocument;
import org.bson.BsonString;
import org.bson.BsonValue;
import org.bson.conversions.Bson;
import org.jspecify.annotations.Nullable;

/** An index as the server describes it, and whether it goes together with a collection of keys. */
record KeyIndex(BsonDocument text) {
    private static final String EXPIRE_AFTER = "expireAfterSeconds";
    private static final String FILTER = "partialFilterExpression";

    BsonDocument key() {
        return text.getDocument("key");
    }

    private String name() {
        return text.getString("name").getValue();
    }

    private Set<String> fields() {
        return key().keySet();
    }

    /** Whether it refuses a second document for another reason than the identity; the driver doesn't say for which. */
    boolean isUniqueItself() {
        // A shell may have written a number.
        BsonValue unique = text.get("unique");
        boolean isUnique = unique != null && !unique.equals(BsonBoolean.FALSE);
        return isUnique && !fields().equals(Set.of(KeyDocument.ID));
    }

    /** Whether the server deletes documents by it that aren't expired keys. */
    boolean deletesKeys() {
        return text.containsKey(EXPIRE_AFTER) && !fields().equals(Set.of(KeyDocument.EXPIRES_AT));
    }

    /** Whether it has the fields or the name of a wanted index, and isn't that one. */
    private boolean standsInTheWayOf(IndexModel wanted) {
        BsonDocument wantedKey = wanted.getKeys().toBsonDocument();
        String wantedName =
                wantedKey.keySet().stream().map(field -> field + "_1").collect(Collectors.joining("_"));
        boolean isSameKey = List.copyOf(fields()).equals(List.copyOf(wantedKey.keySet()))
                && key().values().stream().allMatch(KeyIndex::isAscending);
        if (!isSameKey) {
            return name().equals(wantedName);
        }
        Long expireAfter = wanted.getOptions().getExpireAfter(TimeUnit.SECONDS);
        Bson filter = wanted.getOptions().getPartialFilterExpression();
        return !name().equals(wantedName)
                || !Objects.equals(expireAfter, expireAfter())
                || !Objects.equals(filter == null ? null : filter.toBsonDocument(), text.get(FILTER));
    }

    private static boolean isAscending(BsonValue order) {
        return order.isNumber() && order.asNumber().intValue() == 1;
    }

    private @Nullable Long expireAfter() {
        return text.containsKey(EXPIRE_AFTER) ? text.getNumber(EXPIRE_AFTER).longValue() : null;
    }

    /** What to enter into the server's shell to be rid of it. */
    String drop(String collection) {
        return "db.getCollection(" + quoted(collection) + ").dropIndex(" + quoted(name()) + ")";
    }

    private static String quoted(String text) {
        // The text of a document quotes and escapes it as JavaScript does.
        String json = new BsonDocument("", new BsonString(text)).toJson();
        return json.substring(json.indexOf(':') + 2, json.length() - 1);
    }

    /** Those of the indexes that stand in the way of the wanted ones. */
    static List<KeyIndex> inTheWay(Iterable<BsonDocument> indexes, List<IndexModel> wanted) {
        List<KeyIndex> inTheWay = new ArrayList<>();
        for (BsonDocument text : indexes) {
            KeyIndex index = new KeyIndex(text);
            if (wanted.stream().anyMatch(index::standsInTheWayOf)) {
                inTheWay.add(index);
            }
        }
        return inTheWay;
    }
}
