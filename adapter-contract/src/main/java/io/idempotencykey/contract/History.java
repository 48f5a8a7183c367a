package io.idempotencykey.contract;

import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StoredKey;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * What threads asked a store for one key, and what they were told.
 *
 * <p>It is linearizable if everything can have happened at one moment each, between its call and its answer (Herlihy
 * and Wing, "Linearizability", 1990). Each write names the revision that it replaces, so the writes that were made are
 * a chain, and only their moments have to be found. Safe for many threads.
 */
final class History {
    /** What the caller of a write was told. */
    enum Answer {
        MADE,
        REFUSED,
        UNKNOWN
    }

    /** A compare-and-set. Its caller knew the expected revision before; empty stands for a key that is absent. */
    private record Write(Optional<Revision> expected, StoredKey next, Answer answer, long begun, long ended) {
        Optional<Revision> made() {
            return Optional.of(next.revision());
        }
    }

    private record Read(Optional<StoredKey> seen, long begun, long ended) {
        Optional<Revision> revision() {
            return seen.map(StoredKey::revision);
        }
    }

    private final Queue<Write> writes = new ConcurrentLinkedQueue<>();
    private final Queue<Read> reads = new ConcurrentLinkedQueue<>();

    void wrote(Optional<Revision> expected, StoredKey next, Answer answer, long begun, long ended) {
        writes.add(new Write(expected, next, answer, begun, ended));
    }

    void read(Optional<StoredKey> seen, long begun, long ended) {
        reads.add(new Read(seen, begun, ended));
    }

    /** The keys that stood one after the other, as far as a write named the one before. */
    List<StoredKey> chain() {
        return chainOf(following()).stream().map(Write::next).toList();
    }

    /** Why nothing explains all answers; empty if something does. */
    Optional<String> contradiction() {
        Map<Optional<Revision>, List<Write>> following = following();
        for (List<Write> each : following.values()) {
            if (each.size() > 1) {
                return Optional.of("one revision was replaced twice: " + each);
            }
        }
        List<Write> chain = chainOf(following);
        if (chain.size() < following.size()) {
            return Optional.of("a revision was replaced that never stood: " + following.values() + " but " + chain);
        }
        return new Moments(chain).contradiction();
    }

    /** The writes that were made, by what they replaced. An unanswered one was if somebody saw what it wrote. */
    private Map<Optional<Revision>, List<Write>> following() {
        Set<Optional<Revision>> seen = Stream.concat(
                        reads.stream().map(Read::revision),
                        writes.stream()
                                .filter(write -> write.answer == Answer.MADE)
                                .map(Write::expected))
                .collect(Collectors.toSet());
        return writes.stream()
                .filter(write -> switch (write.answer) {
                    case MADE -> true;
                    case REFUSED -> false;
                    case UNKNOWN -> seen.contains(write.made());
                })
                .collect(Collectors.groupingBy(Write::expected));
    }

    private static List<Write> chainOf(Map<Optional<Revision>, List<Write>> following) {
        List<Write> chain = new ArrayList<>();
        Optional<Revision> last = Optional.empty();
        while (following.containsKey(last) && chain.size() < following.size()) {
            Write next = following.get(last).get(0);
            chain.add(next);
            last = next.made();
        }
        return chain;
    }

    /** Between which moments each write of the chain was made; what is absent stands at first. */
    private final class Moments {
        private final List<Write> chain;
        private final Map<Optional<Revision>, Integer> places = new HashMap<>();
        private final long[] earliest;
        private final long[] latest;

        Moments(List<Write> chain) {
            this.chain = chain;
            earliest = new long[chain.size() + 1];
            latest = new long[chain.size() + 1];
            Arrays.fill(earliest, Long.MIN_VALUE);
            Arrays.fill(latest, Long.MAX_VALUE);
            places.put(Optional.empty(), 0);
            for (Write write : chain) {
                int place = places.size();
                places.put(write.made(), place);
                earliest[place] = write.begun;
                latest[place] = write.answer == Answer.MADE ? write.ended : Long.MAX_VALUE;
            }
        }

        private Optional<StoredKey> standing(int place) {
            return place == 0 ? Optional.empty() : Optional.of(chain.get(place - 1).next);
        }

        Optional<String> contradiction() {
            for (Read read : reads) {
                Integer place = places.get(read.revision());
                if (place == null || !read.seen.equals(standing(place))) {
                    return Optional.of("it was never written so: " + read);
                }
                latest[place] = Math.min(latest[place], read.ended);
                if (place < chain.size()) {
                    earliest[place + 1] = Math.max(earliest[place + 1], read.begun);
                }
            }
            for (Write refused : writes) {
                Integer place = places.get(refused.expected);
                if (refused.answer == Answer.REFUSED && place != null) {
                    if (place == chain.size()) {
                        return Optional.of("it was refused, and nothing else replaced what it expected: " + refused);
                    }
                    latest[place + 1] = Math.min(latest[place + 1], refused.ended);
                }
            }
            long moment = Long.MIN_VALUE;
            for (int place = 1; place <= chain.size(); place++) {
                moment = Math.max(moment, earliest[place]);
                if (moment > latest[place]) {
                    return Optional.of("no moment is left for the write " + place + " of " + chain.size() + ", "
                            + chain.get(place - 1) + ": not before " + moment + ", and not after " + latest[place]);
                }
            }
            return Optional.empty();
        }
    }
}
