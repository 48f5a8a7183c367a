package io.idempotencykey.checkout.program;

import io.idempotencykey.checkout.ShopData;
import io.idempotencykey.checkout.data.InMemoryShopData;
import io.idempotencykey.inmemory.InMemoryKeyStore;
import io.idempotencykey.port.KeyStore;
import java.io.IOException;
import java.nio.file.Path;

/**
 * A store for the shop, which keeps the keys and the shop's own data in the same place.
 *
 * <p>Another kind of store needs a class that implements {@link ShopData}, a class that makes a {@link KeyStore} from
 * the command line ({@code --url}, {@code --data}), and a line in {@link #open}.
 *
 * @param <T> the handle that a stage writes with
 */
record Store<T>(KeyStore<T> keys, ShopData<T> shop, Runnable onClose) implements AutoCloseable {
    /** Opens the store that the options name; its files, if it has any, go to the directory. */
    static Store<?> open(Options options, Path data) throws IOException {
        String kind = kind(options);
        return switch (kind) {
            case "jpa" -> Database.open(options, data);
            case "mongo" -> MongoStore.open(options);
            case "inmemory" -> inMemory(options);
            default -> throw new Options.Refused("--store is '" + kind + "'; allowed: jpa, inmemory, mongo");
        };
    }

    static String kind(Options options) {
        return options.text("store", "jpa");
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
