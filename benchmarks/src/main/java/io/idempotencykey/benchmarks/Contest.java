package io.idempotencykey.benchmarks;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/** The sides of a cell, and what is to be closed after them, the last one first. */
final class Contest implements AutoCloseable {
    private final List<Contestant> contestants = new ArrayList<>();
    private final Deque<AutoCloseable> resources = new ArrayDeque<>();

    /** Adds the sides of a contest. */
    @FunctionalInterface
    interface Preparation {
        void of(Contest contest) throws Exception;
    }

    /** A contest that is prepared, or closed if that fails. */
    static Contest prepared(Preparation preparation) throws Exception {
        Contest contest = new Contest();
        try {
            preparation.of(contest);
            return contest;
        } catch (Exception e) {
            contest.close();
            throw e;
        }
    }

    /** Adds a side. */
    void add(Contestant contestant) {
        contestants.add(contestant);
    }

    /** Closes something at the end. */
    <R extends AutoCloseable> R closing(R resource) {
        resources.push(resource);
        return resource;
    }

    List<Contestant> contestants() {
        return contestants;
    }

    /** Closes everything, and then fails if one of them couldn't be closed. */
    @Override
    public void close() {
        List<Exception> failures = new ArrayList<>();
        while (!resources.isEmpty()) {
            try {
                resources.pop().close();
            } catch (Exception e) {
                failures.add(e);
            }
        }
        if (!failures.isEmpty()) {
            IllegalStateException failure = new IllegalStateException(
                    "a side can't be closed: " + failures.get(0).getMessage(), failures.get(0));
            failures.stream().skip(1).forEach(failure::addSuppressed);
            throw failure;
        }
    }
}
