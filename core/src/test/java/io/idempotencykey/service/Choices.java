package io.idempotencykey.service;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * Decides everything that may happen in one run: after a given prefix, by a seed, in turn or always the first
 * possibility. The same choices give the same run.
 */
final class Choices {
    private final int[] prefix;
    private final @Nullable RandomGenerator random;
    private final int usual;
    private int[] chosen = new int[256];
    private int[] possibilities = new int[256];
    private int count;
    private Runnable before = () -> {};

    private Choices(int[] prefix, @Nullable RandomGenerator random, int usual) {
        this.prefix = prefix;
        this.random = random;
        this.usual = usual;
    }

    static Choices first() {
        return of(new int[0]);
    }

    static Choices seeded(long seed) {
        return new Choices(new int[0], new SplittableRandom(seed), 0);
    }

    /** These, and then always the first possibility. */
    static Choices of(int[] choices) {
        return new Choices(choices, null, 0);
    }

    /** Always the second possibility: whoever may hand over to the next one does. */
    static Choices inTurn() {
        return new Choices(new int[0], null, 1);
    }

    /** What happens before a choice that isn't given by the prefix. */
    void beforeEachNewOne(Runnable before) {
        this.before = before;
    }

    /** Picks one of so many possibilities; the first one is always the uneventful one. */
    int choose(int of) {
        return choose(of, 1);
    }

    /** The same where the first possibility is to be the usual one; a seeded run picks one time in so many. */
    int chooseRarely(int of, int oneTimeIn) {
        return choose(of, oneTimeIn);
    }

    private int choose(int of, int oneTimeIn) {
        if (of == 1) {
            return 0;
        }
        if (count >= prefix.length) {
            before.run();
        }
        int choice;
        if (count < prefix.length) {
            choice = Math.min(prefix[count], of - 1);
        } else if (random == null) {
            choice = usual;
        } else {
            choice = oneTimeIn > 1 && random.nextInt(oneTimeIn) > 0 ? 0 : random.nextInt(of);
        }
        if (count == chosen.length) {
            chosen = Arrays.copyOf(chosen, 2 * count);
            possibilities = Arrays.copyOf(possibilities, 2 * count);
        }
        chosen[count] = choice;
        possibilities[count] = of;
        count++;
        return choice;
    }

    /** What was chosen. */
    int[] chosen() {
        return Arrays.copyOf(chosen, count);
    }

    int count() {
        return count;
    }

    /** For each choice that wasn't given by the prefix, each other possibility: where further runs may begin. */
    List<int[]> others() {
        List<int[]> others = new ArrayList<>();
        for (int i = prefix.length; i < count; i++) {
            for (int other = chosen[i] + 1; other < possibilities[i]; other++) {
                int[] longer = Arrays.copyOf(chosen, i + 1);
                longer[i] = other;
                others.add(longer);
            }
        }
        return others;
    }

    @Override
    public String toString() {
        return Arrays.toString(chosen());
    }
}
