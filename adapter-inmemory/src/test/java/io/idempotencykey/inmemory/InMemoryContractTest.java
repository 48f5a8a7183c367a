package io.idempotencykey.inmemory;

import io.idempotencykey.contract.KeyStoreContract;
import io.idempotencykey.port.KeyStore;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;

/** The contract of all adapters, with an application that keeps its rows in a map. */
class InMemoryContractTest extends KeyStoreContract<InMemoryContractTest.Rows> {
    static final Application APPLICATION = new Application();
    private static final KeyStore<Rows> STORE = new InMemoryKeyStore<>(APPLICATION);

    private KeyStore<Rows> store = STORE;

    @Override
    public KeyStore<Rows> store() {
        return store;
    }

    @Override
    public KeyStore<Rows> emptyStore() {
        store = new InMemoryKeyStore<>(APPLICATION);
        return store;
    }

    @Override
    public void insert(Rows transaction, String name, String value) {
        transaction.checkOpen();
        if (read(transaction, name).isPresent()) {
            transaction.refused = true;
            throw new DuplicateRow(name);
        }
        transaction.inserted.put(name, value);
    }

    @Override
    public void update(Rows transaction, String name, String value) {
        transaction.checkOpen();
        Map<String, String> target =
                transaction.inserted.containsKey(name) ? transaction.inserted : transaction.updated;
        target.put(name, value);
    }

    @Override
    public Optional<String> read(Rows transaction, String name) {
        return Optional.ofNullable(transaction.inserted.get(name))
                .or(() -> Optional.ofNullable(transaction.updated.get(name)))
                .or(() -> read(name));
    }

    @Override
    public Optional<String> read(String name) {
        return Optional.ofNullable(APPLICATION.committed.get(name));
    }

    /** What one transaction has written so far. */
    static final class Rows {
        private final Map<String, String> inserted = new HashMap<>();
        private final Map<String, String> updated = new HashMap<>();
        volatile boolean ended;
        /** Whether an insert was refused, which dooms the transaction in some stores, though not here. */
        boolean refused;

        /** Refuses late use, as every real handle does. */
        void checkOpen() {
            if (ended) {
                throw new IllegalStateException("the transaction has ended");
            }
        }
    }

    static final class Application implements InMemoryTransactions<Rows> {
        private final Map<String, String> committed = new ConcurrentHashMap<>();
        private final ReentrantLock lock = new ReentrantLock();

        @Override
        public Rows begin() {
            return new Rows();
        }

        @Override
        public void commit(Rows transaction) {
            transaction.ended = true;
            lock.lock();
            try {
                transaction.inserted.keySet().stream()
                        .filter(committed::containsKey)
                        .findAny()
                        .ifPresent(name -> {
                            throw new DuplicateRow(name);
                        });
                committed.putAll(transaction.inserted);
                committed.putAll(transaction.updated);
            } finally {
                lock.unlock();
            }
        }

        @Override
        public void rollback(Rows transaction) {
            transaction.ended = true;
            transaction.inserted.clear();
            transaction.updated.clear();
        }
    }

    private static final class DuplicateRow extends RuntimeException {
        private static final long serialVersionUID = 1L;

        DuplicateRow(String name) {
            super("there is a row '" + name + "'");
        }
    }
}
