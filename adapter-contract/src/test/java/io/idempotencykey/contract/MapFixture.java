package io.idempotencykey.contract;

import io.idempotencykey.port.KeyStore;
import io.idempotencykey.service.MapKeyStore;
import java.util.List;
import java.util.Optional;

/** The least store there is, for what core decides by itself, whatever the store. */
class MapFixture implements StoreFixture<List<String>> {
    private MapKeyStore store = new MapKeyStore();

    @Override
    public KeyStore<List<String>> store() {
        return store;
    }

    @Override
    public KeyStore<List<String>> emptyStore() {
        store = new MapKeyStore();
        return store;
    }

    @Override
    public void insert(List<String> transaction, String name, String value) {
        if (read(transaction, name).isPresent()) {
            throw new IllegalStateException("there is a row '" + name + "'");
        }
        update(transaction, name, value);
    }

    @Override
    public void update(List<String> transaction, String name, String value) {
        transaction.add(name + "=" + value);
    }

    @Override
    public Optional<String> read(List<String> transaction, String name) {
        return last(transaction, name).or(() -> read(name));
    }

    @Override
    public Optional<String> read(String name) {
        return last(store.rows, name);
    }

    private static Optional<String> last(List<String> rows, String name) {
        return rows.stream()
                .filter(row -> row.startsWith(name + "="))
                .reduce((former, latter) -> latter)
                .map(row -> row.substring(name.length() + 1));
    }
}
