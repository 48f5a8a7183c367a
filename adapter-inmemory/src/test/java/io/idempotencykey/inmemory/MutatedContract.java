package io.idempotencykey.inmemory;

import io.idempotencykey.inmemory.InMemoryContractTest.Rows;
import io.idempotencykey.port.KeyStore;
import java.util.function.Function;

/** The contract over another store than the right one. It is no test of the build's: {@link MutantTest} runs it. */
class MutatedContract extends InMemoryContractTest {
    /** Makes the store under test; JUnit, which makes the instances of this class, has no other way to be told. */
    static volatile Function<InMemoryTransactions<Rows>, KeyStore<Rows>> underTest = InMemoryKeyStore::new;

    private KeyStore<Rows> store = make();

    private static KeyStore<Rows> make() {
        return underTest.apply(APPLICATION);
    }

    @Override
    public KeyStore<Rows> store() {
        return store;
    }

    @Override
    public KeyStore<Rows> emptyStore() {
        store = make();
        return store;
    }
}
