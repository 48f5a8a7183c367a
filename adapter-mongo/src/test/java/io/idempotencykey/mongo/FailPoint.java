package io.idempotencykey.mongo;

import com.mongodb.client.MongoClient;
import java.util.List;
import org.bson.Document;

/** The server's fail point for commands of one application, set by a client that it doesn't meet. */
record FailPoint(MongoClient steady, String application) {
    /** Lets the next commands of this name fail. */
    void set(String command, int times, Document how) {
        Document unused = steady.getDatabase("admin")
                .runCommand(new Document("configureFailPoint", "failCommand")
                        .append("mode", new Document("times", times))
                        .append(
                                "data",
                                new Document(how)
                                        .append("failCommands", List.of(command))
                                        .append("appName", application)));
    }

    void off() {
        Document unused = steady.getDatabase("admin")
                .runCommand(new Document("configureFailPoint", "failCommand").append("mode", "off"));
    }

    static Document code(int code, String... labels) {
        return new Document("errorCode", code).append("errorLabels", List.of(labels));
    }

    /** The connection is closed before the command is done. */
    static Document cut() {
        return new Document("closeConnection", true);
    }
}
