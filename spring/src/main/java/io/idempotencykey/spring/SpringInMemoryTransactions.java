package io.idempotencykey.spring;

import io.idempotencykey.inmemory.InMemoryTransactions;
import org.springframework.transaction.PlatformTransactionManager;
import org.springframework.transaction.TransactionStatus;
import org.springframework.transaction.support.DefaultTransactionDefinition;

/** Ties stages in memory to the transactions of a manager of Spring's. */
public final class SpringInMemoryTransactions implements InMemoryTransactions<TransactionStatus> {
    private final PlatformTransactionManager manager;
    /** Ties stages in memory to the transactions of a manager of Spring's. */
    public SpringInMemoryTransactions(PlatformTransactionManager manager, InnerTransactions inner) {
        this.manager = manager;
    }

    @Override
    public TransactionStatus begin() {
        return manager.getTransaction(new DefaultTransactionDefinition(3));
    }

    @Override
    public void commit(TransactionStatus t) {
        manager.commit(t);
    }

    @Override
    public void rollback(TransactionStatus t) {
        if (!t.isCompleted()) manager.rollback(t);
    }
}
