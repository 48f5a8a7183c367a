package io.idempotencykey.spring;

import java.lang.System.Logger.Level;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.springframework.core.Ordered;
import org.springframework.transaction.support.TransactionSynchronization;
import org.springframework.transaction.support.TransactionSynchronizationManager;

/**
 * Notices code that leaves a stage's transaction: Spring asks whoever takes part in a transaction to stand back first.
 *
 * <p>Registered with the stage's transaction. It comes before all others, so that none of them has stood back if it
 * refuses.
 */
final class StageBoundary implements TransactionSynchronization, Ordered {
    private static final System.Logger LOGGER = System.getLogger("io.idempotencykey");
    private static final Set<String> NAMED = ConcurrentHashMap.newKeySet();
    private static final StackWalker STACK = StackWalker.getInstance();

    private final InnerTransactions inner;
    private @Nullable IllegalStateException refusal;

    /** Once the stage's transaction has ended, or while the library itself begins another. */
    private boolean isOpen;

    StageBoundary(InnerTransactions inner) {
        this.inner = inner;
    }

    /**
     * Fails if code has tried to leave the stage's transaction, whether or not the stage has caught that.
     *
     * @throws IllegalStateException if it has
     */
    void check() {
        if (refusal != null) {
            throw refusal;
        }
    }

    /** Runs what the library itself does apart from the thread's stage, such as another request's stage. */
    static <R> R across(Supplier<R> work) {
        StageBoundary outer = current();
        if (outer == null) {
            return work.get();
        }
        boolean wasOpen = outer.isOpen;
        outer.isOpen = true;
        try {
            return work.get();
        } finally {
            outer.isOpen = wasOpen;
        }
    }

    private static @Nullable StageBoundary current() {
        if (TransactionSynchronizationManager.isSynchronizationActive()) {
            for (TransactionSynchronization each : TransactionSynchronizationManager.getSynchronizations()) {
                if (each instanceof StageBoundary boundary) {
                    return boundary;
                }
            }
        }
        return null;
    }

    @Override
    public int getOrder() {
        return Ordered.HIGHEST_PRECEDENCE;
    }

    @Override
    public void suspend() {
        if (isOpen) {
            return;
        }
        String method = method();
        switch (inner) {
            case REFUSED -> {
                refusal = new IllegalStateException(method + " leaves the stage's transaction (REQUIRES_NEW or"
                        + " NOT_SUPPORTED): what it writes would be neither fenced nor rolled back with the stage, and"
                        + " a retry would write it again. Let it join the transaction (REQUIRED), call it outside the"
                        + " stage, or allow it with InnerTransactions.LOGGED");
                throw refusal;
            }
            case LOGGED -> {
                if (NAMED.add(method)) {
                    LOGGER.log(
                            Level.WARNING,
                            "{0} leaves the stage''s transaction (REQUIRES_NEW or NOT_SUPPORTED): what it writes is"
                                    + " neither fenced nor rolled back with the stage",
                            method);
                }
            }
        }
    }

    /** The method that leaves: the one that Spring's interceptor runs for, or the one that uses a template. */
    private static String method() {
        return STACK.walk(frames -> frames.filter(frame -> !isSpringsOrJavas(frame.getClassName()))
                .findFirst()
                .map(frame -> frame.getClassName().replaceFirst("\\$\\$.*", "") + "." + frame.getMethodName())
                .orElse("code"));
    }

    private static boolean isSpringsOrJavas(String type) {
        return type.startsWith("org.springframework.")
                || type.startsWith("java.")
                || type.startsWith("jdk.internal.")
                || type.equals(StageBoundary.class.getName());
    }

    @Override
    public void beforeCompletion() {
        isOpen = true;
    }
}
