package io.idempotencykey.benchmarks;

import com.gruelbox.transactionoutbox.Dialect;
import com.gruelbox.transactionoutbox.Instantiator;
import com.gruelbox.transactionoutbox.Persistor;
import com.gruelbox.transactionoutbox.Submitter;
import com.gruelbox.transactionoutbox.ThreadLocalContextTransactionManager;
import com.gruelbox.transactionoutbox.ThrowingTransactionalSupplier;
import com.gruelbox.transactionoutbox.TransactionManager;
import com.gruelbox.transactionoutbox.TransactionOutbox;
import com.zaxxer.hikari.HikariDataSource;
import java.sql.SQLException;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/**
 * A task of transaction-outbox's that is scheduled under the key in the transaction of the work, and run after it.
 *
 * <p>It guarantees that of all requests with a key one commits, with its work and its task, until the key is forgotten,
 * seven days after the task was done. It stores no answer, so that a retry only learns that it is one; it doesn't
 * compare requests, and a second request waits for the first one's transaction. A task may run more than once, and one
 * that fails is left to a flush, which nobody asks for here.
 *
 * <p>There are as many threads for tasks as for requests, and a request waits for them, lest its task be done in
 * another side's turn, but for a turn's last few, or not at all.
 */
public final class Outbox implements Rival {
    /** For {@link java.util.ServiceLoader}. */
    public Outbox() {}

    @Override
    public String title() {
        return "transaction-outbox";
    }

    @Override
    public double roundTrips() {
        return 6;
    }

    @Override
    public Contestant.Task open(String url, HikariDataSource pool, Contest contest) {
        int workers = pool.getMaximumPoolSize();
        // A request hands its task over before it gives its connection back, so the tasks need a pool of their own.
        HikariDataSource others = contest.closing(Server.usualPool(url, workers));
        ExecutorService executor = executor(workers);
        AutoCloseable unused = contest.closing(() -> stop(executor));
        ThreadLocalContextTransactionManager requests = TransactionManager.fromDataSource(pool);
        TransactionOutbox outbox = TransactionOutbox.builder()
                .transactionManager(new Transactions(requests, TransactionManager.fromDataSource(others)))
                .persistor(Persistor.forDialect(Dialect.POSTGRESQL_9))
                .instantiator(Instantiator.using(type -> new Unheard()))
                .submitter(Submitter.withExecutor(executor))
                .build();
        BookingRows rows = BookingRows.statements();
        return number -> request(requests, outbox, rows, Example.newKey());
    }

    private static void request(TransactionManager transactions, TransactionOutbox outbox, BookingRows rows, String key)
            throws SQLException {
        transactions.<SQLException>inTransactionThrows(transaction -> {
            outbox.with().uniqueRequestId(key).schedule(Notice.class).placed(key);
            rows.book(transaction.connection(), key, "placed");
        });
    }

    private static ExecutorService executor(int workers) {
        return new ThreadPoolExecutor(
                workers,
                workers,
                0,
                TimeUnit.SECONDS,
                new ArrayBlockingQueue<>(workers),
                (task, executor) -> {
                    try {
                        executor.getQueue().put(task);
                    } catch (InterruptedException e) {
                        Thread.currentThread().interrupt();
                        throw new RejectedExecutionException("interrupted before there was room for a task", e);
                    }
                });
    }

    private static void stop(ExecutorService executor) throws InterruptedException {
        executor.shutdown();
        if (!executor.awaitTermination(1, TimeUnit.MINUTES)) {
            throw new IllegalStateException("tasks are left");
        }
    }

    /** A task is stored in the transaction of its request, and run in another one. */
    private record Transactions(
            ThreadLocalContextTransactionManager requests, ThreadLocalContextTransactionManager tasks)
            implements ThreadLocalContextTransactionManager {
        @Override
        public <T, E extends Exception> T requireTransactionReturns(ThrowingTransactionalSupplier<T, E> work) throws E {
            return requests.requireTransactionReturns(work);
        }

        @Override
        public <T, E extends Exception> T inTransactionReturnsThrows(ThrowingTransactionalSupplier<T, E> work)
                throws E {
            return tasks.inTransactionReturnsThrows(work);
        }
    }

    /** What transaction-outbox makes a proxy of. */
    public interface Notice {
        /** Tells that an order was placed. */
        void placed(String key);
    }

    private record Unheard() implements Notice {
        @Override
        public void placed(String key) {
            // To store and run the task is what is measured.
        }
    }
}
