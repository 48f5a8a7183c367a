package io.idempotencykey.spring;

import io.idempotencykey.port.StoreFailure;
import java.lang.StackWalker.StackFrame;
import java.lang.System.Logger.Level;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.springframework.core.Ordered;
import org.springframework.transaction.interceptor.TransactionAspectSupport;
import org.springframework.transaction.support.TransactionSynchronization;
import org.springframework.transaction.support.TransactionSynchronizationManager;

/**
 * Notices code that leaves a stage's transaction: Spring asks whoever takes part in a transaction to stand back first,
 * also when another transaction manager begins one.
 *
 * <p>Registered with the stage's transaction. It comes before all others, so that none of them has stood back if it
 * refuses.
 */
final class StageBoundary implements TransactionSynchronization {
    /** The name of each stage's transaction, for logs and monitoring. */
    static final String TRANSACTION = "idempotencykey.stage";

    private static final System.Logger LOGGER = System.getLogger("io.idempotencykey");
    private static final Set<String> NAMED = ConcurrentHashMap.newKeySet();
    private static final StackWalker STACK = StackWalker.getInstance(StackWalker.Option.RETAIN_CLASS_REFERENCE);

    private final InnerTransactions inner;
    private @Nullable IllegalStateException refusal;
    private @Nullable IllegalStateException mark;

    /** Once the stage's transaction is committed, or while the library itself begins another. */
    private boolean isOpen;

    StageBoundary(InnerTransactions inner) {
        this.inner = inner;
    }

    /** Begins to notice what leaves the thread's transaction, which has just begun. */
    void register() {
        TransactionSynchronizationManager.registerSynchronization(this);
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

    /**
     * Ends a stage whose transaction is about to be committed; a commit fails if a callback before it tries to leave.
     *
     * @throws IllegalStateException if the stage has
     */
    void end() {
        check();
        // Comes after the stage's own, because it is registered after them.
        TransactionSynchronizationManager.registerSynchronization(new TransactionSynchronization() {
            @Override
            public void beforeCommit(boolean readOnly) {
                check();
            }
        });
    }

    /**
     * Runs a stage in the transaction that was begun for it, which must be rolled back if this fails.
     *
     * @throws IllegalStateException if code has tried to leave the transaction and the stage has caught that
     */
    void around(Runnable stage) {
        register();
        try {
            stage.run();
        } catch (RuntimeException | Error e) {
            if (refusal != null && !StoreFailure.chain(e).contains(refusal)) {
                e.addSuppressed(refusal);
            }
            throw e;
        }
        end();
    }

    /** Remembers which method is marking the stage's transaction for rollback. */
    void mark() {
        if (mark == null) {
            mark = new IllegalStateException(method() + " marked the stage's transaction for rollback");
        }
    }

    /** Why the stage's transaction is marked for rollback, as far as that is known. */
    @Nullable
    Throwable rollbackCause() {
        return refusal == null ? mark : refusal;
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

    /** That of the thread's stage. */
    static @Nullable StageBoundary current() {
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
                refusal = new StageMisuseException(method + " leaves the stage's transaction (REQUIRES_NEW,"
                        + " NOT_SUPPORTED, or another transaction manager): what it writes would be neither fenced nor"
                        + " rolled back with the stage, and a retry would write it again. Let it join the transaction"
                        + " (REQUIRED), call it outside the stage, or allow it with InnerTransactions.LOGGED");
                throw refusal;
            }
            case LOGGED -> {
                if (NAMED.add(method)) {
                    LOGGER.log(
                            Level.WARNING,
                            "{0} leaves the stage''s transaction (REQUIRES_NEW, NOT_SUPPORTED, or another transaction"
                                    + " manager): what it writes is neither fenced nor rolled back with the stage",
                            method);
                }
            }
        }
    }

    /**
     * The application's method that has Spring do this: the one that Spring's interceptor runs for, as its proxy shows
     * it, or else the one that called Spring.
     */
    private static String method() {
        List<StackFrame> stack =
                STACK.walk(frames -> frames.dropWhile(frame -> !isSpringsOrJavas(frame.getDeclaringClass()))
                        .toList());
        boolean isIntercepted = stack.stream()
                .takeWhile(frame -> isSpringsOrJavas(frame.getDeclaringClass()))
                .anyMatch(frame -> TransactionAspectSupport.class.isAssignableFrom(frame.getDeclaringClass()));
        Stream<StackFrame> proxies =
                stack.stream().filter(frame -> isIntercepted && isProxy(frame.getDeclaringClass()));
        Stream<StackFrame> callers = stack.stream().filter(frame -> !isSpringsOrJavas(frame.getDeclaringClass()));
        return Stream.concat(proxies, callers)
                .findFirst()
                .map(StageBoundary::name)
                .orElse("code");
    }

    private static boolean isSpringsOrJavas(Class<?> type) {
        String name = type.getName();
        return name.startsWith("org.springframework.") || name.startsWith("java.") || name.startsWith("jdk.internal.");
    }

    private static boolean isProxy(Class<?> type) {
        return Proxy.isProxyClass(type) || type.getName().contains("$$");
    }

    /** The name in the source: of a proxy's class or interface, and of the method that a lambda stands in. */
    private static String name(StackFrame frame) {
        String method = frame.getMethodName().replaceFirst("^lambda\\$(.+)\\$\\d+$", "$1");
        Class<?> type = frame.getDeclaringClass();
        if (Proxy.isProxyClass(type)) {
            type = Arrays.stream(type.getInterfaces())
                    .filter(each -> Arrays.stream(each.getMethods())
                            .map(Method::getName)
                            .anyMatch(method::equals))
                    .findFirst()
                    .orElse(type);
        }
        return type.getName().replaceFirst("\\$\\$.*", "") + "." + method;
    }

    @Override
    public void afterCommit() {
        isOpen = true;
    }
}
