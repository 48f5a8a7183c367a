package io.idempotencykey.chaos;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/** What the command line asks for; the scenarios share the time. */
record Plan(Set<Scenario> scenarios, Duration time, long seed, Set<Fault> faults, Optional<Path> report) {
    static final String USAGE = """
            usage: run [all | SCENARIO …] [--minutes 5] [--seed N] [--faults KIND,…] [--report DIR]
            The scenarios share the time.
            """
            + "\nscenarios:\n"
            + Arrays.stream(Scenario.values())
                    .map(each -> String.format("  %-14s%s%n", each.text(), each.description()))
                    .collect(Collectors.joining())
            + "\nfaults:\n"
            + Arrays.stream(Fault.values())
                    .map(each -> String.format("  %-14s%s%n", each.text(), each.description()))
                    .collect(Collectors.joining())
            + """

            It ends with
              0 if there is no anomaly
              1 if there is one
              2 if the command line is wrong
              3 if a scenario can't be run
              4 if too little was shown: a scenario had few answers, or a promotion failed half-way, or all scenarios
                had five minutes or more, and a kind of fault had no effect in any of them
            """;

    private static final int MOST_MINUTES = 100_000;

    /** The command line is wrong. */
    static final class Refused extends RuntimeException {
        private static final long serialVersionUID = 1L;

        Refused(String message) {
            super(message);
        }
    }

    /** Reads a command line; {@code seed} is taken where none is given. */
    static Plan of(List<String> arguments, long seed) {
        Set<Scenario> scenarios = EnumSet.noneOf(Scenario.class);
        Set<Fault> faults = EnumSet.allOf(Fault.class);
        long minutes = 5;
        long chosen = seed;
        Optional<Path> report = Optional.empty();
        Deque<String> left = new ArrayDeque<>(arguments);
        while (!left.isEmpty()) {
            String argument = left.pop();
            switch (argument) {
                case "all" -> scenarios.addAll(EnumSet.allOf(Scenario.class));
                case "--minutes" -> minutes = number(argument, left, 1, MOST_MINUTES);
                case "--seed" -> chosen = number(argument, left, Long.MIN_VALUE, Long.MAX_VALUE);
                case "--report" -> report = Optional.of(Path.of(value(argument, left)));
                case "--faults" -> faults = faults(value(argument, left));
                default ->
                    scenarios.add(Scenario.named(argument)
                            .orElseThrow(
                                    () -> new Refused("there is neither an option nor a scenario '" + argument + "'")));
            }
        }
        if (scenarios.isEmpty()) {
            throw new Refused("no scenario is named");
        }
        return new Plan(scenarios, Duration.ofMinutes(minutes), chosen, faults, report);
    }

    private static Set<Fault> faults(String names) {
        Set<Fault> faults = EnumSet.noneOf(Fault.class);
        for (String name : names.split(",", -1)) {
            faults.add(Fault.named(name).orElseThrow(() -> new Refused("there is no fault '" + name + "'")));
        }
        return faults;
    }

    private static long number(String option, Deque<String> left, long least, long most) {
        String text = value(option, left);
        try {
            long number = Long.parseLong(text);
            if (number >= least && number <= most) {
                return number;
            }
        } catch (NumberFormatException e) {
            // The exception below says so.
        }
        throw new Refused(option + " is '" + text + "'; allowed: " + least + " to " + most);
    }

    private static String value(String option, Deque<String> left) {
        if (left.isEmpty()) {
            throw new Refused(option + " needs a value");
        }
        return left.pop();
    }

    /** Whether each kind of fault has the time to have an effect. */
    boolean isLong() {
        return scenarios.size() == Scenario.values().length && time.compareTo(Duration.ofMinutes(5)) >= 0;
    }

    /** How long each scenario takes, its start and its end included. */
    Duration share() {
        return time.dividedBy(scenarios.size());
    }
}
