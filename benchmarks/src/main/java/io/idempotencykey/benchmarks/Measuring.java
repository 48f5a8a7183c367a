package io.idempotencykey.benchmarks;

import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

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
     * @param arguments the file, the time when the place is to be measured, the time when no other cell is begun, the
     *     place, and the arguments of the run
     * @throws Exception if the place can't be opened
     */
    public static void main(String[] arguments) throws Exception {
        System.setProperty("org.jboss.logging.provider", "slf4j");
        Path file = Path.of(arguments[0]);
        Instant deadline = Instant.parse(arguments[1]);
        Instant end = Instant.parse(arguments[2]);
        Place place = Place.valueOf(arguments[3]);
        Plan plan = Plan.of(List.of(arguments).subList(4, arguments.length));
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        List<Measured> measured = new ArrayList<>();
        try (House house = place.open()) {
            List<Cell> cells = plan.in(place);
            Shares shares = new Shares(InstantSource.system(), deadline, end, cells.size());
            for (Cell cell : cells) {
                Measured next = shares.isOver() ? Measured.failed(cell, OVER) : measured(house, cell, plan, shares);
                measured.add(next);
                out.printf(
                        "%s, in %d s%n",
                        Report.figures(next),
                        shares.end(next.failure().isEmpty() ? next.rounds() : 0).toSeconds());
                new Results("", "", "", measured).write(file);
            }
        }
    }

    private static Measured measured(House house, Cell cell, Plan plan, Shares shares) {
        Measured measured = new Measured(cell, 0, List.of(), "");
        try (Contest contest = house.contest(cell)) {
            List<Contestant> sides = contest.contestants();
            Rounds usual = plan.mode().rounds(cell.place());
            Rounds rounds = shares.of(usual, sides.size(), cell.workload());
            if (rounds.length().compareTo(usual.length()) < 0) {
                System.out.printf(
                        "%s: the time gets short; rounds of %d ms%n",
                        cell, rounds.length().toMillis());
            }
            Function<List<SideTurns>, Measured> asMeasured =
                    turns -> new Measured(cell, rounds.length().toMillis(), turns, "");
            // If a mark is missed by far, what else the machine does may be to blame.
            measured = asMeasured.apply(rounds.measure(
                    sides,
                    house::serverNanos,
                    turns -> shares.isOver() || !asMeasured.apply(turns).isBad()));
        } catch (Exception e) {
            e.printStackTrace();
            String why = String.valueOf(e.getMessage()).replaceAll("\\R", " ");
            // There are turns if only closing failed.
            return measured.withFailure("failed: " + why.substring(0, Math.min(why.length(), LONGEST_FAILURE)));
        }
        return measured;
    }
}
