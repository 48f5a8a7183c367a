package io.idempotencykey.contract;

import io.idempotencykey.port.KeyStore;
import io.idempotencykey.service.IdempotencyKeyService;

/** Services for tests of a store. */
public final class Services {
    private Services() {}

    /**
     * Makes a service that asks the store at each call, also for what it knows itself, so that a test sees the store.
     *
     * @param <T> the store's transaction handle
     * @param store the store under test
     * @return the service, with the defaults for everything else
     */
    public static <T> IdempotencyKeyService<T> askingTheStore(KeyStore<T> store) {
        return IdempotencyKeyService.builder(store).replayCacheBytes(0).build();
    }
}
