package io.idempotencykey.contract;

/**
 * The tests that every storage adapter passes: an adapter's own test extends it with a fixture, and nothing more.
 *
 * <pre>{@code
 * class InMemoryContractTest extends KeyStoreContract<Rows> {
 *     // store(), emptyStore(), insert, update and read
 * }
 * }</pre>
 *
 * <p>The six methods of the fixture are called from up to 64 threads at once. A row of the application has a name and a
 * value, each of 1 to 200 visible ASCII characters; no name is used twice, so rows need not be removed between tests.
 *
 * <p>The tests ask for what a store can get wrong: the port, method by method; stages that are rolled back, unanswered
 * or late; requests of one stage in one transaction; threads that are told to stop; listing and deleting; races; and a
 * short walk through {@code IdempotencyKeyService}, its operations, the completer and the operator's actions. What core
 * decides by itself is tested in core. The tests don't sleep: core takes all decisions from {@link
 * io.idempotencykey.port.KeyStore#time()}, which the tests move in a decorator around the store; and faults are
 * injected there too. A test makes at most a few hundred transactions and runs at most 64 threads.
 *
 * @param <T> the handle that a stage writes with
 */
public abstract class KeyStoreContract<T>
        implements KeyCases<T>,
                CommitCases<T>,
                LateCommitCases<T>,
                SingleCommitCases<T>,
                SingleCases<T>,
                ListingCases<T>,
                InterruptionCases<T>,
                RaceCases<T>,
                LinearizabilityCases<T>,
                ServiceCases<T> {
    /** For an adapter's test. */
    protected KeyStoreContract() {}
}
