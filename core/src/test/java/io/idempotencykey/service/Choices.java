package io.idempotencykey.service;

import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * Decides everything that may happen in one run: after a given prefix, by a seed, in turn or always the first
 * possibility.
 */
final class Choices {
    private final List<Integer> prefix;
    private final @Nullable RandomGenerator random;
    private final List<Integer> chosen = new ArrayList<>();
    private final List<Integer> possibilities = new ArrayList<>();

    private final int usual;

    private Choices(List<Integer> prefix, @Nullable RandomGenerator random, int usual) {
        this.prefix = prefix;
        this.random = random;
        this.usual = usual;
    }

    static Choices first() {
        return new Choices(List.of(), null, 0);
    }

    static Choices seeded(RandomGenerator random) {
        return new Choices(List.of(), random, 0);
    }

    /** Always the second possibility: whoever may hand over to the next one does. */
    static Choices inTurn() {
        return new Choices(List.of(), null, 1);
    }

    /** Picks one of so many possibilities; the first one is always the uneventful one. */
    int choose(int count) {
        if (count == 1) {
            return 0;
        }
        int next = chosen.size();
        int choice = random != null ? random.nextInt(count) : next < prefix.size() ? prefix.get(next) : usual;
        chosen.add(choice);
        possibilities.add(count);
        return choice;
    }

    /** The same where the first possibility is to be the usual one; a seeded run takes another one time in eight. */
    int chooseRarely(int count) {
        return random != null && random.nextInt(8) > 0 ? 0 : choose(count);
    }

    /** The next run of an exhaustive search, depth first; {@code null} after the last one. */
    @Nullable
    Choices next() {
        for (int i = chosen.size() - 1; i >= 0; i--) {
            if (chosen.get(i) + 1 < possibilities.get(i)) {
                List<Integer> longer = new ArrayList<>(chosen.subList(0, i));
                longer.add(chosen.get(i) + 1);
                return new Choices(longer, null, 0);
            }
        }
        return null;
    }

    @Override
    public String toString() {
        return chosen.toString();
    }
}
