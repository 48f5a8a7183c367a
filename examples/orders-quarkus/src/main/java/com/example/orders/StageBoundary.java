package com.example.orders;

import jakarta.enterprise.context.Initialized;
import jakarta.enterprise.event.Observes;
import jakarta.inject.Singleton;
import jakarta.transaction.SystemException;
import jakarta.transaction.TransactionManager;
import jakarta.transaction.TransactionScoped;
import java.util.function.Supplier;

/**
 * Lets nothing be kept that work in a stage writes in another transaction, as in one of {@code REQUIRES_NEW}: it would
 * stay if the stage is rolled back. Both are rolled back.
 */
@Singleton
public class StageBoundary {
    private final ThreadLocal<Stage> current = new ThreadLocal<>();
    private final TransactionManager manager;

    private static final class Stage {
        private IllegalStateException left;
    }

    public StageBoundary(TransactionManager manager) {
        this.manager = manager;
    }

    <R> R around(Supplier<R> work) {
        Stage stage = new Stage();
        current.set(stage);
        try {
            R result = work.get();
            if (stage.left != null) {
                throw stage.left;
            }
            return result;
        } finally {
            current.remove();
        }
    }

    /** Is told of every transaction that begins. If this threw, the suspended one would never be resumed. */
    void onBegin(@Observes @Initialized(TransactionScoped.class) Object transaction) throws SystemException {
        Stage stage = current.get();
        if (stage != null) {
            stage.left = new IllegalStateException("a request with an idempotency key began another transaction");
            manager.setRollbackOnly();
        }
    }
}
