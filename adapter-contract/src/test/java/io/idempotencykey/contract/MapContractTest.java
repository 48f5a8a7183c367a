package io.idempotencykey.contract;

import io.idempotencykey.port.KeyStore;
import java.util.List;
import java.util.Optional;

/** The map store under the whole contract: so what core decides over it, it decides over every store. */
class MapContractTest extends KeyStoreContract<List<String>> {
    private final MapFixture fixture = new MapFixture();

    @Override
    public KeyStore<List<String>> store() {
        return fixture.store();
    }

    @Override
    public KeyStore<List<String>> emptyStore() {
        return fixture.emptyStore();
    }

    @Override
    public void insert(List<String> transaction, String name, String value) {
        fixture.insert(transaction, name, value);
    }

    @Override
    public void update(List<String> transaction, String name, String value) {
        fixture.update(transaction, name, value);
    }

    @Override
    public Optional<String> read(List<String> transaction, String name) {
        return fixture.read(transaction, name);
    }

    @Override
    public Optional<String> read(String name) {
        return fixture.read(name);
    }
}
