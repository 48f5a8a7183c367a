package io.idempotencykey.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.jpa.JpaKeyStore;
import io.idempotencykey.service.IdempotencyKeyService;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import java.util.stream.Stream;
import org.hibernate.jpa.HibernatePersistenceConfiguration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** What an operator types, and what comes of it, while an application has the store open. */
class KeysCommandTest {
    private static final RecoveryPoint CHARGED = RecoveryPoint.named("charged");
    private static final Request CHARGE = Request.of("POST", "/charges", Map.of("card", "secret-4711"));

    private final String url = "jdbc:h2:mem:" + UUID.randomUUID() + ";DB_CLOSE_DELAY=-1";
    private EntityManagerFactory factory;
    private IdempotencyKeyService<EntityManager> keys;

    /** What the command has printed, and its exit code. */
    private record Ended(int code, String output, String errors) {
        JsonNode json() {
            assertThat(code).as(errors).isZero();
            return new JsonMapper().readTree(output);
        }

        List<String> values() {
            assertThat(code).as(errors).isZero();
            return output.lines()
                    .map(line -> new JsonMapper().readTree(line).get("value").asString())
                    .toList();
        }
    }

    @BeforeEach
    void open() throws Exception {
        try (Connection connection = DriverManager.getConnection(url);
                Statement statement = connection.createStatement();
                InputStream schema = JpaKeyStore.class.getResourceAsStream("schema/h2.sql")) {
            statement.execute(new String(Objects.requireNonNull(schema).readAllBytes(), UTF_8));
        }
        factory = new HibernatePersistenceConfiguration("application")
                .property("jakarta.persistence.jdbc.url", url)
                .createEntityManagerFactory();
        keys = new IdempotencyKeyService<>(new JpaKeyStore(factory));
    }

    @AfterEach
    void close() throws Exception {
        factory.close();
        execute("shutdown");
    }

    private void execute(String sql) throws SQLException {
        try (Connection connection = DriverManager.getConnection(url);
                Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }

    /** Runs a command on the store. */
    private Ended keys(String... arguments) {
        List<String> all = new ArrayList<>(List.of(arguments));
        // Behind the command, and before what stands behind two dashes.
        all.addAll(Math.min(1, all.size()), List.of("--url", url));
        return run(all.toArray(String[]::new));
    }

    private static Ended run(String... arguments) {
        StringWriter output = new StringWriter();
        StringWriter errors = new StringWriter();
        int code = KeysCommand.run(new PrintWriter(output, true), new PrintWriter(errors, true), arguments);
        return new Ended(code, output.toString(), errors.toString());
    }

    /** Acts on a key as it is shown now. */
    private Ended act(String action, String value, String... further) {
        JsonNode shown = keys("show", value).json();
        return keys(Stream.concat(
                        Stream.of(
                                action,
                                value,
                                "--creation",
                                shown.get("creationId").asString(),
                                "--updated",
                                shown.get("updatedAt").asString()),
                        Arrays.stream(further))
                .toArray(String[]::new));
    }

    private KeyId quarantined(String value) {
        KeyId id = KeyId.of(value);
        assertThatExceptionOfType(IllegalStateException.class)
                .isThrownBy(() -> keys.run(
                        keys.operation("charge")
                                .stage(RecoveryPoint.STARTED, stage -> {})
                                .respond(CHARGED, stage -> {
                                    throw new IllegalStateException("the provider says no");
                                })
                                .maxAttempts(1)
                                .build(),
                        id,
                        CHARGE));
        return id;
    }

    @Test
    void quarantinedAndUnfinishedKeysAreListedTheLongestWaitingFirst() throws Exception {
        quarantined("a");
        quarantined("b");
        execute(
                "update idempotency_key set quarantined_at = dateadd(second, -1, quarantined_at) where key_value = 'b'");
        keys.create("shop", "open", CHARGE);

        assertThat(keys("list").values()).containsExactly("b", "a");
        assertThat(keys("list", "--state", "unfinished").values()).containsExactly("open");
        assertThat(keys("list").output()).contains("the provider says no").doesNotContain("4711");
    }

    @Test
    void oneKeyIsShownInAnyState() {
        quarantined("a");
        keys.create("shop", "--dashes", CHARGE);

        assertThat(keys("show", "a").json().get("state").asString()).isEqualTo("quarantined");
        assertThat(keys("show", "a", "--values").output()).contains("secret-4711");
        assertThat(keys("show", "--scope", "shop", "--", "--dashes").values()).containsExactly("--dashes");
        Ended none = keys("show", "none");
        assertThat(none.code()).isEqualTo(1);
        assertThat(none.errors()).contains("there is no key none").hasLineCount(1);
    }

    @Test
    void aHostileKeyIsShownAsItIsAndGivesTheTerminalNoOrders() {
        Request hostile = Request.of("POST", "/\u202eabc", Map.of());
        keys.create("<b>", "@/etc/passwd", hostile);

        Ended shown = keys("show", "@/etc/passwd", "--scope", "<b>");

        assertThat(shown.json().get("request").get("path").asString()).isEqualTo(hostile.path());
        assertThat(shown.output().strip()).matches("[ -~]+");
    }

    @Test
    void retryLetsTheRequestGoOn() {
        KeyId id = quarantined("a");

        assertThat(act("retry", "a", "--by", "alice").json().get("state").asString())
                .isEqualTo("open");

        assertThat(keys.retrieve(id).lastError()).startsWith("retry by alice");
    }

    @Test
    void finishGivesEveryRetryTheResponse() {
        KeyId id = quarantined("a");

        Ended ended =
                act("finish", "a", "--status=201", "--content-type=text/plain", "--body=by hand", "--time-to-live=P7D");

        assertThat(ended.json().get("state").asString()).isEqualTo("finished");
        KeyState.Finished finished = (KeyState.Finished) keys.retrieve(id).state();
        assertThat(finished.response().status()).isEqualTo(201);
        assertThat(finished.response().body()).asString().isEqualTo("by hand");
        assertThat(finished.response().header("Content-Type")).contains("text/plain");
        assertThat(Duration.between(finished.finishedAt(), finished.expiresAt()))
                .isEqualTo(Duration.ofDays(7));
    }

    @Test
    void discardMakesTheKeyAbsent() {
        quarantined("a");

        assertThat(act("discard", "a").code()).isZero();

        assertThat(keys("show", "a").code()).isEqualTo(1);
    }

    @Test
    void whatHasChangedSinceItWasShownIsRefused() {
        KeyId id = quarantined("a");
        JsonNode shown = keys("show", "a").json();
        act("retry", "a");

        Ended late = keys(
                "discard",
                "a",
                "--creation",
                shown.get("creationId").asString(),
                "--updated",
                shown.get("updatedAt").asString());

        assertThat(late.code()).isEqualTo(1);
        assertThat(late.errors()).contains("isn't as it was looked at").hasLineCount(1);
        assertThat(keys.retrieve(id).state()).isInstanceOf(KeyState.Open.class);
    }

    @Test
    void whatWaitsIsCountedOperationByOperation() {
        quarantined("a");
        keys.create("shop", "open", CHARGE);

        assertThat(keys("stats").output().lines())
                .hasSize(3)
                .first()
                .asString()
                .contains("\"waiting\":1", "\"quarantined\":1");
        assertThat(keys("stats").output()).contains("\"operation\":\"charge\"", "\"quarantinedSince\":\"20");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    sell                                  | 'sell'
                    list key                              | 'key'
                    list --state finished                 | finished
                    show                                  | VALUE
                    show \u00e4                          | allowed
                    retry a                               | --creation
                    retry a --creation 1                  | --updated
                    retry a --creation 1 --updated 2      | creationId
                    retry a --creation 00000000-0000-0000-0000-000000000001 --updated 2 | updatedAt
                    finish a --creation 1 --updated 2     | --body
                    """)
    void aWrongCommandEndsWithTwoAndSaysWhatIsWrong(String line, String wrong) {
        Ended ended = keys(line.split(" ", -1));

        assertThat(ended.code()).as(ended.output() + ended.errors()).isEqualTo(2);
        assertThat(ended.output()).isEmpty();
        assertThat(ended.errors()).contains(wrong);
        assertThat(run().code()).isEqualTo(2);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    --status=99                           | status
                    --status=199                          | status
                    --status=many                         | --status
                    --status=204                          | body
                    --status=205                          | body
                    --status=304                          | body
                    --content-type=text/\u00e9            | contentType
                    --time-to-live=7d                     | --time-to-live
                    --time-to-live=PT0S                   | timeToLive
                    --by=a\u0007b                         | by
                    """)
    void anAnswerThatNobodyCouldSendIsRefusedAndNothingChanges(String option, String wrong) {
        KeyId id = quarantined("a");

        Ended ended = act("finish", "a", "--body=x", option);

        assertThat(ended.code()).as(ended.output() + ended.errors()).isEqualTo(2);
        assertThat(ended.errors()).contains(wrong);
        assertThat(keys.retrieve(id).state()).isInstanceOf(KeyState.Quarantined.class);
    }

    @Test
    void aTableThatIsNotThereIsRefused() {
        Ended ended = keys("list", "--table", "other_key");

        assertThat(ended.code()).isEqualTo(1);
        assertThat(ended.errors()).contains("other_key").hasLineCount(1);
    }

    @ParameterizedTest
    @ValueSource(strings = {"shpo", "ifexists", "shpo;USER=IFEXISTS", "shpo;ifexists=false", "shpo;IfExists=true"})
    void aDatabaseOfH2ThatIsNotThereIsNotMade(String name, @TempDir Path folder) {
        Ended ended = run("list", "--url", "jdbc:h2:" + folder.resolve(name));

        assertThat(ended.code()).as(ended.errors()).isEqualTo(1);
        assertThat(ended.errors()).contains("not found");
        assertThat(folder).isEmptyDirectory();
    }

    /** Also where it is nearly right, and drivers give it back in what they say. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "jdbc:oracle:thin:scott/secret@localhost",
                "Host=db;Password=secret",
                "jdbc:postgresql://scott:secret@localhost:5432/shop",
                "jdbc:postgresql://scott:secret@localhost/shop",
                "jdbc:postgresql://localhost:secret/shop",
                "jdbc:mysql://scott:secret@localhost/shop",
                "jdbc:mariadb://scott:secret@localhost/shop",
                "mongodb://scott:12?secret@localhost/shop",
                "mongodb://scott:secret:12/3@localhost/shop",
                "mongodb://scott:secret@"
            })
    void aUrlThatIsNoneIsNotShownFurtherThanItsScheme(String wrong) {
        Ended ended = run("list", "--url", wrong);

        assertThat(ended.code()).as(ended.errors()).isEqualTo(2);
        assertThat(ended.errors()).contains("--url is '").hasLineCount(1).doesNotContain("secret", "scott");
    }

    @Test
    void aUrlInTheWrongPlaceIsNotShownEither() {
        for (String url : List.of(
                "jdbc:postgresql://localhost/shop?password=secret",
                "jdbc:mysql://localhost/shop?password=12;secret",
                "mongodb://scott:12/secret@localhost/shop")) {
            Ended before = run("--url", url, "list");
            Ended besideIt = keys("list", url);

            assertThat(before.code()).isEqualTo(2);
            assertThat(before.errors())
                    .startsWith("Missing required option: '--url")
                    .doesNotContain("secret");
            assertThat(besideIt.code()).isEqualTo(2);
            assertThat(besideIt.errors())
                    .startsWith("Unmatched argument")
                    .contains("…")
                    .doesNotContain("secret");
        }
    }

    @Test
    void whatNobodyExpectedIsToldWithItsTraceAndWithoutPasswords() {
        StringWriter errors = new StringWriter();
        PrintWriter broken = new PrintWriter(new StringWriter(), true) {
            @Override
            public void println(String line) {
                throw new UnsupportedOperationException("jdbc:h2:mem:x;PASSWORD=12;se&cret");
            }
        };

        int code = KeysCommand.run(broken, new PrintWriter(errors), "stats", "--url", url);

        assertThat(code).isEqualTo(1);
        assertThat(errors.toString())
                .startsWith("java.lang.UnsupportedOperationException: jdbc:h2:mem:x;PASSWORD=…")
                .contains("\tat io.idempotencykey.cli.")
                .doesNotContain("cret");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "jdbc:postgresql://127.0.0.1:1/shop?password=secret",
                "jdbc:mysql://127.0.0.1:1/shop?password=secret",
                "jdbc:mariadb://127.0.0.1:1/shop?password=secret",
                "jdbc:h2:file:/nowhere/shop;IFEXISTS=TRUE;PASSWORD=secret",
                "mongodb://user:secret@127.0.0.1:1/shop?serverSelectionTimeoutMS=100"
            })
    void aStoreThatCanNotBeReachedIsToldInOneLine(String nowhere) {
        Ended ended = run("list", "--url", nowhere);

        assertThat(ended.code()).as(ended.errors()).isEqualTo(1);
        assertThat(ended.errors()).hasLineCount(1).doesNotContain("secret");
    }

    @Test
    void whatCouldNotBeWrittenIsToldAndTheActionIsDone() {
        KeyId id = quarantined("a");
        IdempotencyKey key = keys.retrieve(id);
        StringWriter errors = new StringWriter();
        OutputStream full = new OutputStream() {
            @Override
            public void write(int ignored) throws IOException {
                throw new IOException("No space left on device");
            }
        };

        int code = KeysCommand.run(
                new PrintWriter(new PrintStream(full, true, UTF_8), true, UTF_8),
                new PrintWriter(errors, true),
                ("retry a --creation " + key.creationId() + " --updated " + key.updatedAt() + " --url " + url)
                        .split(" ", -1));

        assertThat(code).isEqualTo(1);
        assertThat(errors.toString()).hasLineCount(1).contains("is done", "written");
        assertThat(keys.retrieve(id).state()).isInstanceOf(KeyState.Open.class);
    }

    @Test
    void helpNamesEveryCommandAndEveryExitCode() {
        Ended ended = run("--help");

        assertThat(ended.code()).isZero();
        assertThat(ended.output()).contains("list", "show", "retry", "finish", "discard", "stats", "wrong command");
    }
}
