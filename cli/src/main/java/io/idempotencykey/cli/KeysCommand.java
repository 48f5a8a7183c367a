package io.idempotencykey.cli;

import com.mongodb.MongoException;
import com.zaxxer.hikari.pool.HikariPool.PoolInitializationException;
import io.idempotencykey.Backlog;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyId;
import io.idempotencykey.Response;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.OperatorActions;
import io.idempotencykey.service.ServiceBuilder;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.core.json.JsonWriteFeature;
import tools.jackson.databind.json.JsonMapper;

/**
 * The command {@code keys list|show|retry|finish|discard|stats}, which looks at the keys of a store and mends them.
 *
 * <p>It prints a JSON text per line. Its exit code is 0 if it is done, 1 if it is refused or its output is lost, for a
 * reason that is printed, and 2 if the command is wrong. Applications may serve from the store meanwhile.
 */
@Command(
        name = "keys",
        description = "Looks at the idempotency keys of a store, and mends them.",
        mixinStandardHelpOptions = true,
        versionProvider = KeysCommand.Version.class,
        scope = CommandLine.ScopeType.INHERIT,
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {"0:done", "1:refused, or output lost, for the reason that is printed", "2:wrong command"})
public final class KeysCommand {
    /** What a request sent could reorder a terminal's text, or be an order to it. */
    private static final JsonMapper JSON =
            JsonMapper.builder().enable(JsonWriteFeature.ESCAPE_NON_ASCII).build();

    private static final String DEFAULT = "default: ${DEFAULT-VALUE}";
    private static final int PAGE = 1_000;
    private static final int COUNTED = 10_000;

    private final PrintWriter output;

    private KeysCommand(PrintWriter output) {
        this.output = output;
    }

    /** The runnable jar's version. */
    static final class Version implements CommandLine.IVersionProvider {
        @Override
        public String[] getVersion() {
            String version = KeysCommand.class.getPackage().getImplementationVersion();
            return new String[] {"idempotencykey " + (version == null ? "of an unknown version" : version)};
        }
    }

    /** Which keys are listed. */
    enum State {
        QUARANTINED,
        UNFINISHED
    }

    /** Where the keys are. */
    static final class Place {
        @Option(
                names = "--url",
                required = true,
                defaultValue = "${env:IDEMPOTENCY_URL}",
                paramLabel = "URL",
                description = {
                    "jdbc:postgresql:…, jdbc:mysql:…, jdbc:mariadb:…, jdbc:h2:… or",
                    "mongodb://HOST:PORT/DATABASE.",
                    "In the environment, as IDEMPOTENCY_URL, a password in it isn't seen by others."
                })
        private String url = "";

        @Option(names = "--table", defaultValue = "idempotency_key", paramLabel = "TABLE", description = DEFAULT)
        private String table = "";

        @Option(
                names = "--collection",
                defaultValue = "idempotency_keys",
                paramLabel = "COLLECTION",
                description = DEFAULT)
        private String collection = "";
    }

    /** Which key it is. */
    static final class Key {
        @Parameters(paramLabel = "VALUE", description = "behind -- if it begins with a dash")
        private String value = "";

        @Option(names = "--scope", defaultValue = "", paramLabel = "SCOPE", description = "default: the empty one")
        private String scope = "";

        KeyId id() {
            return new KeyId(scope, value);
        }
    }

    /** What it was when somebody decided on it, and who that is. */
    static final class Decision {
        @Mixin
        private Key key = new Key();

        @Option(
                names = "--creation",
                required = true,
                paramLabel = "ID",
                description = "the key's creationId, as shown")
        private String creation = "";

        @Option(names = "--updated", required = true, paramLabel = "TIME", description = "its updatedAt, as shown")
        private String updated = "";

        @Option(
                names = "--by",
                defaultValue = "${sys:user.name}",
                paramLabel = "NAME",
                description = "who acts; default: the system's user")
        private String by = "";

        IdempotencyKey seen(OperatorActions actions) {
            return actions.retrieveUnchanged(key.id(), creation, updated);
        }
    }

    /** What every retry gets, and for how long. */
    static final class Answer {
        @Option(names = "--status", defaultValue = "200", paramLabel = "STATUS", description = DEFAULT)
        private int status;

        @Option(
                names = "--content-type",
                paramLabel = "TYPE",
                description = "default: application/json, if there is a body")
        private @Nullable String contentType;

        @Option(names = "--body", required = true, paramLabel = "TEXT", description = "'' for none")
        private String body = "";

        @Option(names = "--time-to-live", defaultValue = "PT24H", paramLabel = "DURATION", description = DEFAULT)
        private Duration timeToLive = Duration.ZERO;

        Response response() {
            return body.isEmpty() && contentType == null
                    ? Response.of(status, new byte[0])
                    : Response.of(status, Objects.requireNonNullElse(contentType, "application/json"), body);
        }
    }

    /**
     * Runs the command, and ends the process with its exit code.
     *
     * @param arguments the command line, without the word {@code keys}
     */
    public static void main(String[] arguments) {
        // What is wrong is printed; what drivers and pools say of it beside that, with stack traces, helps nobody here.
        System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", "off");
        System.setProperty("org.slf4j.simpleLogger.log.io.idempotencykey", "warn");
        System.exit(run(
                new PrintWriter(System.out, true, StandardCharsets.UTF_8),
                new PrintWriter(System.err, true, StandardCharsets.UTF_8),
                arguments));
    }

    /**
     * Runs the command.
     *
     * @param output gets the keys
     * @param errors gets what is wrong
     * @param arguments the command line, without the word {@code keys}
     * @return the exit code
     */
    public static int run(PrintWriter output, PrintWriter errors, String... arguments) {
        CommandLine line = new CommandLine(new KeysCommand(output))
                .setCaseInsensitiveEnumValuesAllowed(true)
                // A key may begin with what else would name a file of arguments.
                .setExpandAtFiles(false)
                .setOut(output)
                .setErr(errors);
        line.setParameterExceptionHandler((wrong, parsed) -> {
            errors.println(withoutPasswords(String.valueOf(wrong.getMessage())));
            wrong.getCommandLine().usage(errors);
            return CommandLine.ExitCode.USAGE;
        });
        line.setExecutionExceptionHandler((failure, itsLine, parsed) -> failed(failure, errors));
        int code = line.execute(arguments);
        // A writer keeps it to itself that the disk is full, or that its reader has gone.
        if (code == CommandLine.ExitCode.OK && output.checkError()) {
            errors.println("it is done, but not everything that it prints could be written");
            return CommandLine.ExitCode.SOFTWARE;
        }
        return code;
    }

    /** What is wrong may quote a URL. */
    private static String withoutPasswords(String message) {
        return message.replaceAll("(?i)(password|pwd)=\\S*", "$1=…").replaceAll("//\\S*@", "//…@");
    }

    private static int failed(Exception failure, PrintWriter errors) {
        if (failure instanceof IdempotencyException.InvalidKey || failure instanceof IllegalArgumentException) {
            errors.println(reason(failure));
            return CommandLine.ExitCode.USAGE;
        }
        if (failure instanceof IdempotencyException
                || failure instanceof StoreFailure
                || failure instanceof OpenStore.Refused
                || failure instanceof MongoException
                || failure instanceof PoolInitializationException) {
            errors.println(reason(failure));
            return CommandLine.ExitCode.SOFTWARE;
        }
        StringWriter trace = new StringWriter();
        failure.printStackTrace(new PrintWriter(trace));
        errors.print(withoutPasswords(trace.toString()));
        errors.flush();
        return CommandLine.ExitCode.SOFTWARE;
    }

    /** What is wrong in one line, with what each cause says beside that. */
    private static String reason(Throwable failure) {
        StringBuilder reason = new StringBuilder();
        for (Throwable each = failure; each != null; each = each.getCause()) {
            String message = String.valueOf(each.getMessage()).replaceAll("\\s+", " ");
            if (reason.indexOf(message) < 0) {
                reason.append(reason.isEmpty() ? "" : ": ").append(message);
            }
        }
        return withoutPasswords(reason.toString());
    }

    /** What is done with a store's keys. */
    private interface Work {
        void on(IdempotencyKeyService<?> keys, OperatorActions actions);
    }

    private static int with(Place place, Work work) {
        return with(place, ServiceBuilder.DEFAULT_TIME_TO_LIVE, work);
    }

    private static int with(Place place, Duration timeToLive, Work work) {
        try (OpenStore store = OpenStore.of(place.url, place.table, place.collection)) {
            IdempotencyKeyService<?> keys = IdempotencyKeyService.builder(store.keys())
                    .timeToLive(timeToLive)
                    .build();
            work.on(keys, new OperatorActions(keys));
        }
        return CommandLine.ExitCode.OK;
    }

    @Command(description = "Prints the quarantined keys, or the unfinished ones, the longest waiting first.")
    int list(
            @Mixin Place place,
            @Option(
                            names = "--state",
                            defaultValue = "quarantined",
                            paramLabel = "STATE",
                            description = "quarantined or unfinished")
                    State state) {
        return with(
                place,
                (keys, actions) -> list(
                        actions.time(),
                        switch (state) {
                            case QUARANTINED -> after -> actions.listQuarantined(null, after, PAGE);
                            case UNFINISHED -> after -> actions.listUnfinished(null, after, PAGE);
                        }));
    }

    /** Pages of keys, each after the last key of the one before. */
    private interface Pages {
        List<IdempotencyKey> after(@Nullable IdempotencyKey last);
    }

    private void list(Instant begun, Pages pages) {
        List<IdempotencyKey> page = pages.after(null);
        while (!page.isEmpty()) {
            page.forEach(this::print);
            // Each key that is locked meanwhile comes behind all others, so on a busy store there is always one more.
            boolean isEnd = page.size() < PAGE
                    && page.stream().allMatch(key -> key.updatedAt().isAfter(begun));
            // Whoever reads the output may have seen enough, such as head.
            if (isEnd || output.checkError()) {
                return;
            }
            page = pages.after(page.get(page.size() - 1));
        }
    }

    @Command(description = "Prints one key, in any state.")
    int show(
            @Mixin Place place,
            @Mixin Key key,
            @Option(names = "--values", description = "with parameters, headers and body, which may be secrets")
                    boolean values) {
        return with(place, (keys, actions) -> print(keys.retrieve(key.id()), values));
    }

    @Command(description = "Lets a request go on at its recovery point, with its attempts counted anew.")
    int retry(@Mixin Place place, @Mixin Decision decision) {
        return with(place, (keys, actions) -> print(actions.retry(decision.seen(actions), decision.by)));
    }

    @Command(description = "Gives every retry of a request this response.")
    int finish(@Mixin Place place, @Mixin Decision decision, @Mixin Answer answer) {
        Response response = answer.response();
        return with(place, answer.timeToLive, (keys, actions) -> {
            print(actions.finish(decision.seen(actions), response, decision.by));
        });
    }

    @Command(description = "Gives a request up: its key counts as absent.")
    int discard(@Mixin Place place, @Mixin Decision decision) {
        return with(place, (keys, actions) -> print(actions.discard(decision.seen(actions), decision.by)));
    }

    @Command(description = "Counts what waits, altogether and operation by operation.")
    int stats(@Mixin Place place) {
        return with(place, (keys, actions) -> {
            Backlog backlog = actions.backlog();
            Map<String, Object> counts = new LinkedHashMap<>();
            counts.put("waiting", backlog.waiting());
            counts.put("longestWait", backlog.longestWait().toString());
            counts.put("quarantined", backlog.quarantined());
            output.println(JSON.writeValueAsString(counts));
            actions.backlogByOperation(COUNTED).forEach(this::print);
        });
    }

    private void print(Backlog.OfOperation each) {
        Map<String, Object> counts = new LinkedHashMap<>();
        counts.put("operation", each.operation());
        counts.put("waiting", each.waiting());
        counts.put("waitingSince", each.waitingSince().map(Object::toString).orElse(""));
        counts.put("quarantined", each.quarantined());
        counts.put(
                "quarantinedSince",
                each.quarantinedSince().map(Object::toString).orElse(""));
        output.println(JSON.writeValueAsString(counts));
    }

    private void print(IdempotencyKey key) {
        print(key, false);
    }

    /** The error's message is shown in any case, as it is what an operator looks for. */
    private void print(IdempotencyKey key, boolean values) {
        Map<String, Object> shown = OperatorActions.describe(key, values);
        shown.put("lastError", key.lastError());
        output.println(JSON.writeValueAsString(shown));
    }
}
