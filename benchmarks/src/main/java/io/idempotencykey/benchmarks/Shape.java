package io.idempotencykey.benchmarks;

import java.util.List;
import java.util.Random;

/**
 * What a request is like.
 *
 * @param stages how many it has, each of which writes a row
 * @param body the response's
 */
record Shape(String name, int stages, String body) {
    static final Shape USUAL = new Shape("2 stages", 2, Example.BODY);

    static final List<Shape> ALL = List.of(
            new Shape("1 stage", 1, Example.BODY),
            new Shape("50 stages", 50, Example.BODY),
            new Shape("1 KiB", 1, text(1 << 10)),
            new Shape("64 KiB", 1, text(1 << 16)),
            new Shape("1 MiB", 1, text(1 << 20)));

    /** A text at random, the same each time. A repeated one would be stored in a few bytes, since databases compress. */
    private static String text(int length) {
        return new Random(length)
                .ints(length, ' ', '~')
                .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
                .toString();
    }

    /** A side's name in the table. */
    String of(String side) {
        return side + ", " + name;
    }
}
