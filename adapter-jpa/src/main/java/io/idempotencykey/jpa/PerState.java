package io.idempotencykey.jpa;

import io.idempotencykey.KeyState;
import java.util.Set;
import java.util.function.Function;

/**
 * A statement's text for each state that it writes, made once. A text has the state's name and nulls for what the state
 * lacks, so that neither is bound.
 *
 * @param <T> the text, or what a dialect makes it of
 */
record PerState<T>(T open, T locked, T failed, T finished, T quarantined) implements KeyState.Visitor<T> {
    /**
     * A state's columns.
     *
     * @param name the state's name
     * @param had those of {@link #OF_STATES} that it has
     */
    record Columns(String name, Set<String> had) {
        /** A column's value in a text: a literal, or the parameter. */
        String value(String column, String parameter) {
            if (column.equals("state")) {
                return "'" + name + "'";
            }
            return OF_STATES.contains(column) && !had.contains(column) ? "null" : parameter;
        }
    }

    /** The columns that only some states have. */
    private static final Set<String> OF_STATES = Set.of(
            "locked_at",
            "finished_at",
            "due_at",
            "response_status",
            "response_headers",
            "response_body",
            "quarantined_at",
            "quarantine_reason");

    static <T> PerState<T> of(Function<Columns, T> text) {
        return new PerState<>(
                text.apply(new Columns("open", Set.of("due_at"))),
                text.apply(new Columns("locked", Set.of("locked_at", "due_at"))),
                text.apply(new Columns("failed", Set.of("due_at"))),
                text.apply(new Columns(
                        "finished",
                        Set.of("finished_at", "due_at", "response_status", "response_headers", "response_body"))),
                text.apply(new Columns("quarantined", Set.of("quarantined_at", "quarantine_reason"))));
    }

    @Override
    public T open(KeyState.Open state) {
        return open;
    }

    @Override
    public T locked(KeyState.Locked state) {
        return locked;
    }

    @Override
    public T failed(KeyState.Failed state) {
        return failed;
    }

    @Override
    public T finished(KeyState.Finished state) {
        return finished;
    }

    @Override
    public T quarantined(KeyState.Quarantined state) {
        return quarantined;
    }
}
