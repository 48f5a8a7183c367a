package io.idempotencykey.benchmarks;

import java.util.Locale;

/** A drawing of rows. */
final class Svg {
    static final int ROW = 22;
    static final int WIDTH = 1150;

    private final StringBuilder elements = new StringBuilder();

    void text(double left, int top, String text) {
        add("<text x=\"%.1f\" y=\"%d\">%s</text>", left, top + ROW - 6, escaped(text));
    }

    /** A bar in a row. */
    void bar(double left, int top, double width, String color) {
        add(
                "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>",
                left, top + 3, width, ROW - 6, color);
    }

    /** A thin line along a row, with an end on either side. */
    void span(double from, double to, int top) {
        double middle = top + ROW / 2.0;
        add(
                "<path d=\"M%.1f %.1fH%.1fM%.1f %.1fv8M%.1f %.1fv8\" stroke=\"#333\" fill=\"none\"/>",
                from, middle, to, from, middle - 4, to, middle - 4);
    }

    /** A line from the top downwards. */
    void line(double x, int from, int to, String attributes) {
        add("<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" %s/>", x, x, from, to, attributes);
    }

    private void add(String format, Object... values) {
        elements.append(String.format(Locale.ROOT, format, values)).append('\n');
    }

    String drawn(int height) {
        return String.format(
                Locale.ROOT,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\">%n%s</svg>",
                WIDTH,
                height,
                elements);
    }

    static String escaped(String text) {
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
    }
}
