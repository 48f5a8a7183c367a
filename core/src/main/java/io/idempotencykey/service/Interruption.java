package io.idempotencykey.service;

import java.util.function.Function;
import java.util.function.Supplier;

/**
 * A thread's interruption, taken away while something is brought to its end, and given back afterwards.
 *
 * <p>Drivers may refuse to work on an interrupted thread. What a stage has left, such as its transaction and its key,
 * would then stay as it is until the lease ends.
 */
final class Interruption {
    private boolean taken;

    /** Makes a call while the thread isn't interrupted. */
    static <R> R without(Supplier<R> call) {
        return without(interruption -> call.get());
    }

    /** Makes a call that takes away what interrupts it, too. */
    static <R> R without(Function<Interruption, R> call) {
        Interruption interruption = new Interruption();
        interruption.take();
        try {
            return call.apply(interruption);
        } finally {
            interruption.giveBack();
        }
    }

    /** Ends the thread's interruption, if it is interrupted. */
    void take() {
        taken |= Thread.interrupted();
    }

    /** The thread was interrupted, and has been told so by an exception, which has ended the interruption. */
    void took() {
        taken = true;
    }

    /** Interrupts the thread if it was. */
    void giveBack() {
        if (taken) {
            taken = false;
            Thread.currentThread().interrupt();
        }
    }
}
