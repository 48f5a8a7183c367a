package io.idempotencykey.benchmarks;

import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;

/** Measures one place in a process of its own, lest the compiler's knowledge of one place slow another one down. */
public final class Measuring {
    /** Why a cell isn't measured at all. */
    static final String OVER = "not run: the time is over";

    /** What fits into a line; the whole has been printed before. */
    private static final int LONGEST_FAILURE = 100;

    private Measuring() {}

    /**
     * Measures the cells of a place, and writes what it has after each of them. A cell that fails keeps the others.
     *
     * @param arguments the file, the time when no other cell is begun, the place, and the arguments of the run
     * @throws Exception if the place can't be opened
     */
    public static void main(String[] arguments) throws Exception {
        System.setProperty("org.jboss.logging.provider", "slf4j");
        Path file = Path.of(arguments[0]);
        Instant deadline = Instant.parse(arguments[1]);
        Place place = Place.valueOf(arguments[2]);
        Plan plan = Plan.of(List.of(arguments).subList(3, arguments.length));
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        List<Measured> measured = new ArrayList<>();
        try (House house = place.open()) {
            Rounds rounds = plan.mode().rounds(place);
            for (Cell cell : plan.in(place)) {
                Instant begun = Instant.now();
                Measured next = begun.isAfter(deadline)
                        ? Measured.failed(cell, OVER)
                        : measured(house, cell, measured.isEmpty() ? rounds.afterColdStart() : rounds);
                measured.add(next);
                out.printf(
                        "%s, in %d s%n",
                        Report.figures(next),
                        Duration.between(begun, Instant.now()).toSeconds());
                new Results("", "", "", measured).write(file);
            }
        }
    }

    private static Measured measured(House house, Cell cell, Rounds rounds) {
        try (Contest contest = house.contest(cell)) {
            return new Measured(cell, rounds.measure(contest.contestants(), house::serverNanos), "");
        } catch (Exception e) {
            e.printStackTrace();
            String why = String.valueOf(e.getMessage()).replaceAll("\\R", " ");
            return Measured.failed(cell, "failed: " + why.substring(0, Math.min(why.length(), LONGEST_FAILURE)));
        }
    }
}
