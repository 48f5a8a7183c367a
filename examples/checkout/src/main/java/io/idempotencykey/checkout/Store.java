package io.idempotencykey.checkout;

import io.idempotencykey.inmemory.InMemoryKeyStore;
import io.idempotencykey.port.KeyStore;

/**
 * A store for the shop: the keys, and the shop's own data in the same place.
 *
 * <p>One more kind of store is one more class that implements {@link ShopData}, makes its {@link KeyStore} from the command
 * line ({@code --url}, {@code --data}), and has its line in {@link #open}.
 *
 * @param <T> the handle that a stage writes with
 */
record Store<T>(KeyStore<T> keys, ShopData<T> shop, Runnable onClose) implements AutoCloseable {
    static Store<?> open(Options options) {
        String kind = options.text("store", "inmemory");
        return switch (kind) {
            case "inmemory" -> inMemory();
            case "jpa", "mongo" ->
                throw new Options.Refused(
                        "--store " + kind + " comes with its adapter, which isn't there yet; use inmemory");
            default -> throw new Options.Refused("--store is '" + kind + "'; allowed: inmemory, jpa, mongo");
        };
    }

    private static Store<InMemoryShopData.Transaction> inMemory() {
        InMemoryShopData shop = new InMemoryShopData();
        return new Store<>(new InMemoryKeyStore<>(shop), shop, () -> {});
    }

    @Override
    public void close() {
        onClose.run();
    }
}
