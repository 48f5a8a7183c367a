package io.idempotencykey.micrometer;

import static org.assertj.core.api.Assertions.assertThat;

import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** What the dashboard and the page's alerts ask for is what Prometheus gets of the meters. */
class DashboardTest {
    private static final Path DOCS = Path.of("..", "docs");
    private static final Pattern ALERTS = Pattern.compile("```promql\\R(.*?)```", Pattern.DOTALL);

    /** Prometheus puts these on every series. */
    private static final Set<String> TARGET_LABELS = Set.of("job", "instance");

    private static final Set<String> WORDS_OF_PROMQL = Set.of("sum", "max", "rate", "increase", "by", "or", "unless");

    private static final Pattern SAMPLE = Pattern.compile("(\\w+)(?:\\{(.*)})? \\S+");
    private static final Pattern LABEL = Pattern.compile("(\\w+)=\"([^\"]*)\"");
    private static final Pattern RANGE = Pattern.compile("\\[[^]]*]|\\boffset \\S+");
    private static final Pattern GROUPING = Pattern.compile("\\bby \\(([^)]*)\\)");
    private static final Pattern SELECTOR = Pattern.compile("(?<![\\w$])([A-Za-z_]\\w*)(?:\\{([^}]*)})?");
    private static final Pattern CONDITION = Pattern.compile("(\\w+)(=~|!~|!=|=)\"([^\"]*)\"");
    private static final Pattern LEGEND_LABEL = Pattern.compile("\\{\\{(\\w+)}}");
    private static final Pattern LABEL_VALUES = Pattern.compile("label_values\\((.*), (\\w+)\\)");

    private final JsonNode dashboard = JsonMapper.shared().readTree(DOCS.resolve("grafana/idempotencykey.json"));
    private final PrometheusMeterRegistry registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
    private final List<Series> scrape;

    DashboardTest() {
        MeteredKeys.letEverythingHappen(registry);
        scrape = registry.scrape()
                .lines()
                .filter(line -> !line.startsWith("#"))
                .map(Series::of)
                .toList();
    }

    private record Series(String name, Map<String, String> labels) {
        static Series of(String line) {
            Matcher sample = SAMPLE.matcher(line);
            assertThat(sample.matches()).as(line).isTrue();
            Map<String, String> labels = new TreeMap<>();
            if (sample.group(2) != null) {
                LABEL.matcher(sample.group(2)).results().forEach(label -> labels.put(label.group(1), label.group(2)));
            }
            return new Series(sample.group(1), labels);
        }

        boolean hasLabel(String label) {
            return TARGET_LABELS.contains(label) || labels.containsKey(label);
        }
    }

    /** A label's condition; one on a variable, or on a label that isn't ours, holds of any value. */
    private record Condition(String label, String operator, String value) {
        boolean holdsOf(Series series) {
            String actual = series.labels.get(label);
            if (actual == null || value.startsWith("$")) {
                return true;
            }
            boolean matches = operator.endsWith("~") ? actual.matches(value) : actual.equals(value);
            return matches != operator.startsWith("!");
        }
    }

    private record Selector(String name, List<Condition> conditions) {
        static List<Selector> of(String expression) {
            String bare =
                    GROUPING.matcher(RANGE.matcher(expression).replaceAll("")).replaceAll("");
            return SELECTOR.matcher(bare)
                    .results()
                    .filter(found -> !WORDS_OF_PROMQL.contains(found.group(1)))
                    .map(found -> new Selector(
                            found.group(1),
                            found.group(2) == null
                                    ? List.of()
                                    : CONDITION
                                            .matcher(found.group(2))
                                            .results()
                                            .map(c -> new Condition(c.group(1), c.group(2), c.group(3)))
                                            .toList()))
                    .toList();
        }
    }

    /** What keeps an expression, or the legend over it, from showing something. */
    private List<String> problems(String expression, String legend) {
        List<String> problems = new ArrayList<>();
        Set<String> grouping = GROUPING.matcher(expression)
                .results()
                .flatMap(by -> Stream.of(by.group(1).split(", ")))
                .collect(Collectors.toSet());
        for (Selector selector : Selector.of(expression)) {
            List<Series> named = scrape.stream()
                    .filter(series -> series.name.equals(selector.name))
                    .toList();
            if (named.isEmpty()) {
                problems.add("no metric " + selector.name);
            }
            Stream.concat(grouping.stream(), selector.conditions.stream().map(Condition::label))
                    .filter(label -> !named.stream().allMatch(series -> series.hasLabel(label)))
                    .forEach(label -> problems.add("no label " + label + " on " + selector.name));
            if (named.stream().noneMatch(series -> selector.conditions.stream().allMatch(c -> c.holdsOf(series)))) {
                problems.add("no series of " + selector);
            }
        }
        LEGEND_LABEL
                .matcher(legend)
                .results()
                .map(label -> label.group(1))
                .filter(label -> !grouping.contains(label))
                .forEach(label -> problems.add("no label " + label + " in the result"));
        return problems;
    }

    private List<JsonNode> panels() {
        return dashboard
                .get("panels")
                .valueStream()
                .filter(panel -> !panel.get("type").asString().equals("row"))
                .toList();
    }

    private Stream<JsonNode> targets() {
        return panels().stream().flatMap(panel -> panel.get("targets").valueStream());
    }

    @Test
    void everyPanelShowsWhatIsThere() {
        assertThat(panels()).hasSizeGreaterThan(10);
        assertThat(targets())
                .allSatisfy(target -> assertThat(problems(
                                target.get("expr").asString(),
                                target.get("legendFormat").asString()))
                        .as(target.get("expr").asString())
                        .isEmpty());
    }

    @Test
    void everyMeterIsShown() {
        Set<String> shown = targets()
                .flatMap(target -> Selector.of(target.get("expr").asString()).stream())
                .map(selector -> selector.name.replaceFirst("(_seconds)?(_count|_sum|_max|_total)?$", ""))
                .collect(Collectors.toSet());

        assertThat(registry.getMeters())
                .extracting(meter -> meter.getId().getName().replace('.', '_'))
                .hasSizeGreaterThan(10)
                .isSubsetOf(shown);
    }

    @Test
    void everyVariableIsDeclaredAndOffersLabelsThatAreThere() {
        List<JsonNode> variables =
                dashboard.get("templating").get("list").valueStream().toList();
        List<String> declared = new ArrayList<>(List.of("__rate_interval", "__all"));
        variables.forEach(variable -> declared.add(variable.get("name").asString()));

        assertThat(Pattern.compile("\\$\\{?(\\w+)")
                        .matcher(dashboard.toString())
                        .results())
                .extracting(variable -> variable.group(1))
                .isSubsetOf(declared);
        assertThat(variables)
                .filteredOn(variable -> variable.get("type").asString().equals("query"))
                .hasSize(2)
                .allSatisfy(variable -> {
                    Matcher query =
                            LABEL_VALUES.matcher(variable.get("definition").asString());
                    assertThat(query.matches()).isTrue();
                    assertThat(problems("sum by (" + query.group(2) + ") (" + query.group(1) + ")", ""))
                            .isEmpty();
                });
    }

    @Test
    void everyPanelSaysWhatToDo() {
        assertThat(panels())
                .allSatisfy(
                        panel -> assertThat(panel.get("description").asString()).matches("[A-Z].{60,}\\."));
    }

    @Test
    void everyAlertOfThePageAsksForWhatIsThere() throws IOException {
        Matcher block = ALERTS.matcher(Files.readString(DOCS.resolve("OPERATING.md")));
        assertThat(block.find()).isTrue();

        assertThat(block.group(1).lines())
                .hasSize(3)
                .allSatisfy(alert -> assertThat(problems(alert, "")).as(alert).isEmpty());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    sum(rate(idempotency_request_seconds_count[5m]))      |                 | no metric
                    sum(idempotancy_backlog)                              |                 | no metric
                    idempotency_takeovers_total{stage="started"}          |                 | no label stage
                    sum by (outcome) (idempotency_takeovers_total)        |                 | no label outcome
                    idempotency_stages_seconds_count{outcome="fencedoff"} |                 | no series of
                    sum by (job) (idempotency_takeovers_total)            | {{operation}}   | no label operation
                    """)
    void whatIsNotThereIsNoticed(String expression, String legend, String problem) {
        assertThat(problems(expression, legend == null ? "" : legend))
                .isNotEmpty()
                .allSatisfy(noticed -> assertThat(noticed).startsWith("no "))
                .anySatisfy(noticed -> assertThat(noticed).startsWith(problem));
    }
}
