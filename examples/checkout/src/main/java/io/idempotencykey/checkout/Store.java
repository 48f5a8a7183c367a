package io.idempotencykey.checkout;

import io.idempotencykey.inmemory.InMemoryKeyStore;
import io.idempotencykey.port.KeyStore;
import java.io.IOException;
import java.nio.file.Path;

/**
 * A store for the shop: the keys, and the shop's own data in the same place.
 *
 * <p>One more kind of store is one more class that implements {@link ShopData}, makes its {@link KeyStore} from the
 * command line ({@code --url}, {@code --data}), and has its line in {@link #open}.
 *
 * @param <T> the handle that a stage writes with
 */
record Store<T>(KeyStore<T> keys, ShopData<T> shop, Runnable onClose) implements AutoCloseable {
    /** Opens the store that the options name, with its files, if it has any, in the directory. */
    static Store<?> open(Options options, Path data) throws IOException {
        String kind = kind(options);
        return switch (kind) {
            case "jpa" -> Database.open(options, data);
            case "mongo" -> MongoShopData.open(options);
            case "inmemory" -> inMemory(options);
            default -> throw refused(kind);
        };
    }

    /** Opens a store as it is, for something beside the process that serves, which may have it open or not. */
    static Store<?> join(Options options) throws IOException {
        String kind = kind(options);
        return switch (kind) {
            case "jpa" -> Database.join(options);
            case "mongo" -> MongoShopData.join(options);
            case "inmemory" ->
                throw new Options.Refused(
                        "--store is 'inmemory', whose keys only the process that serves can reach; allowed: jpa, mongo");
            default -> throw refused(kind);
        };
    }

    static String kind(Options options) {
        return options.text("store", "jpa");
    }

    private static Options.Refused refused(String kind) {
        return new Options.Refused("--store is '" + kind + "'; allowed: jpa, inmemory, mongo");
    }

    private static Store<InMemoryShopData.Transaction> inMemory(Options options) {
        if (options.value("url").isPresent()) {
            throw new Options.Refused("--url is given with --store inmemory, which has none; allowed with: jpa, mongo");
        }
        InMemoryShopData shop = new InMemoryShopData();
        return new Store<>(new InMemoryKeyStore<>(shop), shop, () -> {});
    }

    @Override
    public void close() {
        onClose.run();
    }
}
