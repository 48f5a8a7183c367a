package io.idempotencykey.spring.boot;

import io.idempotencykey.Isolation;
import io.idempotencykey.spring.InnerTransactions;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;
import org.springframework.util.unit.DataSize;

/**
 * What an application can configure; a name that isn't here is refused.
 *
 * @param store where keys are kept; {@code null} to go by what the application has
 * @param timeToLive how long a response is replayed
 * @param lease how long a key stays locked if its server dies
 * @param isolation of the stages' transactions; {@code null} for the strongest that the store has
 * @param maxResponseSize the longest body that is stored
 * @param innerTransactions what happens when code in a stage leaves the stage's transaction
 * @param allowOuterTransactions whether a request may run within an open transaction
 * @param jpa for a relational database
 * @param mongo for MongoDB
 * @param schema who makes table and indexes
 * @param http for handler methods of Spring MVC
 * @param background for what no client waits for
 * @param console for the operators' page
 */
@ConfigurationProperties(prefix = "idempotency", ignoreUnknownFields = false)
record IdempotencyProperties(
        @Nullable Store store,
        @DefaultValue("24h") Duration timeToLive,
        @DefaultValue("30s") Duration lease,
        @Nullable Isolation isolation,
        @DefaultValue("1MB") DataSize maxResponseSize,
        @DefaultValue("16MB") DataSize replayCacheSize,
        @DefaultValue("refused") InnerTransactions innerTransactions,
        @DefaultValue("false") boolean allowOuterTransactions,
        @DefaultValue Jpa jpa,
        @DefaultValue Mongo mongo,
        @DefaultValue Schema schema,
        @DefaultValue Http http,
        @DefaultValue Background background,
        @DefaultValue Console console) {

    /** Where keys are kept. */
    enum Store {
        JPA,
        MONGO,
        IN_MEMORY
    }

    /** When the starter makes the table. */
    enum Initialize {
        /** In a database that lives and ends with the application. */
        EMBEDDED,
        ALWAYS,
        NEVER
    }

    /**
     * For a relational database.
     *
     * @param table the table's name; {@code null} for {@code idempotency_key}
     */
    record Jpa(@Nullable String table) {}

    /**
     * For MongoDB.
     *
     * @param collection the collection's name, in the application's database
     */
    record Mongo(@DefaultValue("idempotency_keys") String collection) {}

    /**
     * Who makes table and indexes.
     *
     * @param initialize when the starter does
     */
    record Schema(@DefaultValue("embedded") Initialize initialize) {}

    /**
     * For handler methods.
     *
     * @param header the header that the key comes in
     * @param keyRequired whether clients have to send one
     * @param waitAtMost how long a request waits while another one with its key runs
     * @param storedHeaders the headers that are stored with a response; {@code null} for the default
     * @param maxRequestSize the longest request body
     * @param errorPage the page that makes the body of an error without one; {@code null} for Spring Boot's own
     */
    record Http(
            @DefaultValue("Idempotency-Key") String header,
            @DefaultValue("true") boolean keyRequired,
            @DefaultValue("0s") Duration waitAtMost,
            @Nullable List<String> storedHeaders,
            @DefaultValue("2MB") DataSize maxRequestSize,
            @Nullable String errorPage) {}

    /**
     * For what no client waits for.
     *
     * @param enabled whether this application completes requests and reaps expired keys
     * @param completeEvery how long the completer rests between two runs
     * @param reapEvery how long the reaper rests between two runs
     * @param abandonedAfter how long nobody must have held a key before it is completed
     * @param completers how many requests are completed at once
     * @param stopWithin how long the application's end waits for it
     */
    record Background(
            @DefaultValue("true") boolean enabled,
            @DefaultValue("10s") Duration completeEvery,
            @DefaultValue("1m") Duration reapEvery,
            @Nullable Duration abandonedAfter,
            @DefaultValue("2") int completers,
            @DefaultValue("10s") Duration stopWithin) {}

    /**
     * For the operators' page.
     *
     * @param path where it is, in the application's context; {@code null} if there is none
     * @param actRoles the roles of users who may act; empty for nobody, {@code **} for every authenticated user
     * @param valueRoles the roles of users who are shown parameters, headers, bodies and messages; likewise
     * @param history how many events are kept of what happened to keys; 0 for none
     */
    record Console(
            @Nullable String path,
            @DefaultValue Set<String> actRoles,
            @DefaultValue Set<String> valueRoles,
            @DefaultValue("10000") int history) {}
}
