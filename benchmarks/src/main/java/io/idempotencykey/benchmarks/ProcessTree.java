package io.idempotencykey.benchmarks;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/** A server's processes, as Linux counts their time: those that live, and the ended children of theirs. */
final class ProcessTree {
    /** Linux counts in hundredths of a second for programs, whatever its own clock does. */
    private static final double TICK = 1e7;

    private ProcessTree() {}

    /** The time on a processor so far, in nanoseconds; NaN where {@code /proc} doesn't say. */
    static double nanos(long process) {
        return ProcessHandle.of(process)
                .map(root -> Stream.concat(Stream.of(root), root.descendants())
                        .mapToDouble(each -> ticks(each.pid()))
                        .sum())
                .map(ticks -> ticks * TICK)
                .orElse(Double.NaN);
    }

    private static double ticks(long process) {
        try {
            return ticks(Files.readString(Path.of("/proc", Long.toString(process), "stat")));
        } catch (IOException e) {
            // It has ended meanwhile, and its parent counts it from now on.
            return Files.exists(Path.of("/proc/self/stat")) ? 0 : Double.NaN;
        }
    }

    /** The fields 14 to 17 of {@code stat}: the process's and its waited-for children's time, in user mode and kernel. */
    static double ticks(String stat) {
        // The second field is the program's name, which may contain spaces and parentheses.
        String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
        double ticks = 0;
        for (int i = 11; i < 15; i++) {
            ticks += Long.parseLong(fields[i]);
        }
        return ticks;
    }
}
