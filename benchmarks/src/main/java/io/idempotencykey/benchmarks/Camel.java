package io.idempotencykey.benchmarks;

import org.apache.camel.processor.idempotent.jdbc.JdbcMessageIdRepository;

/**
 * Camel's {@code JdbcMessageIdRepository}, called as its idempotent consumer calls it on a transacted route: a key is
 * added before the work, in the same transaction, and confirmed afterwards.
 *
 * <p>It guarantees that of all messages with a key one commits, with its work. It stores no answer, so that a retry is
 * only skipped; it doesn't compare messages, and a second one waits for the first one's transaction, and then fails by
 * the primary key.
 */
final class Camel implements Side {
    private final SpringWork work;
    private final JdbcMessageIdRepository repository;

    Camel(String url, int connections, Server.Given given) {
        this.work = new SpringWork(url, connections, given);
        this.repository = new JdbcMessageIdRepository(work.dataSource(), work.transactions(), Library.OPERATION);
        // Makes the table.
        repository.start();
    }

    @Override
    public void request(String key) {
        work.transaction(() -> {
            if (!repository.add(key)) {
                throw new IllegalStateException("the key is stored: " + key);
            }
            work.book(key);
        });
        boolean unused = repository.confirm(key);
    }

    @Override
    public void close() {
        repository.stop();
        work.close();
    }
}
