package io.idempotencykey.spring.jpa;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import org.springframework.transaction.event.TransactionPhase;
import org.springframework.transaction.event.TransactionalEventListener;

/** Does in each phase of a transaction what an event says. */
public class OrderListener {
    /** An event, and how its listeners were called. */
    public record Placed(List<TransactionPhase> phases, Consumer<TransactionPhase> action) {
        static Placed inPhase(TransactionPhase phase, Runnable action) {
            return new Placed(new CopyOnWriteArrayList<>(), each -> {
                if (each == phase) {
                    action.run();
                }
            });
        }

        private void in(TransactionPhase phase) {
            phases.add(phase);
            action.accept(phase);
        }
    }

    @TransactionalEventListener(phase = TransactionPhase.BEFORE_COMMIT)
    public void beforeCommit(Placed event) {
        event.in(TransactionPhase.BEFORE_COMMIT);
    }

    @TransactionalEventListener
    public void afterCommit(Placed event) {
        event.in(TransactionPhase.AFTER_COMMIT);
    }

    @TransactionalEventListener(phase = TransactionPhase.AFTER_ROLLBACK)
    public void afterRollback(Placed event) {
        event.in(TransactionPhase.AFTER_ROLLBACK);
    }
}
