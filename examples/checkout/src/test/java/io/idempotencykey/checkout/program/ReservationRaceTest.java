package io.idempotencykey.checkout.program;

import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.KeyId;
import io.idempotencykey.checkout.CartId;
import io.idempotencykey.checkout.Checkout;
import io.idempotencykey.checkout.CompleteCart;
import io.idempotencykey.checkout.Order;
import io.idempotencykey.checkout.Payments;
import io.idempotencykey.checkout.Reservation;
import io.idempotencykey.checkout.Review;
import io.idempotencykey.checkout.ShopData;
import io.idempotencykey.checkout.http.Json;
import io.idempotencykey.service.Execution;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Two keys race for one cart: both transactions see it free before either of them writes. */
class ReservationRaceTest {
    @TempDir
    Path directory = Path.of("");

    @ParameterizedTest
    @ValueSource(strings = {"inmemory", "h2", "postgresql", "mongo"})
    void ofTwoKeysForOneCartOneIsCharged(String database) throws Exception {
        List<String> options = switch (database) {
            case "mongo" -> List.of(MongoDatabases.newDatabase());
            case "postgresql" -> List.of("--url", PostgresqlServer.newDatabase());
            case "h2" -> List.of("--store", "jpa");
            default -> List.of("--store", "inmemory");
        };
        try (Store<?> store = Store.open(Options.parse(options, Application.OPTIONS), directory)) {
            race(store);
        }
    }

    private static <T> void race(Store<T> store) throws Exception {
        Looking<T> shop = new Looking<>(store.shop());
        Charges payments = new Charges();
        IdempotencyKeyService<T> keys =
                IdempotencyKeyService.builder(store.keys()).replayCacheBytes(0).build();
        Operation<T> completeCart = new Checkout<>(shop, payments).operation(keys, 1);
        Object body = Objects.requireNonNull(Json.read(RunningShop.ONE_MUG.getBytes(StandardCharsets.UTF_8)));

        List<CompletableFuture<Execution>> running = Stream.of("key-1", "key-2")
                .map(key -> CompletableFuture.supplyAsync(
                        () -> keys.run(completeCart, KeyId.of(key), CompleteCart.request("cart", body)),
                        task -> new Thread(task).start()))
                .toList();

        assertThat(running)
                .extracting(execution -> Patience.await(execution).response().status())
                .containsExactlyInAnyOrder(201, 409);
        assertThat(shop.looks).hasValueGreaterThan(4);
        assertThat(shop.orders()).hasSize(1);
        assertThat(payments.made).hasValue(1);
        for (CompletableFuture<Execution> each : running) {
            Execution first = Patience.await(each);
            Execution replay =
                    keys.run(completeCart, first.key().id(), first.key().request());
            assertThat(replay.response()).isEqualTo(first.response());
        }
    }

    /** The store's data; the first two transactions that look for a reservation wait for each other. */
    private record Looking<T>(ShopData<T> shop, CountDownLatch bothHaveLooked, AtomicInteger looks)
            implements ShopData<T> {
        Looking(ShopData<T> shop) {
            this(shop, new CountDownLatch(2), new AtomicInteger());
        }

        @Override
        public Optional<Reservation> find(T transaction, CartId cart) {
            Optional<Reservation> found = shop.find(transaction, cart);
            if (looks.incrementAndGet() <= 2) {
                assertThat(found).isEmpty();
                bothHaveLooked.countDown();
                Patience.await(bothHaveLooked);
            }
            return found;
        }

        @Override
        public Optional<Reservation> find(CartId cart) {
            return shop.find(cart);
        }

        @Override
        public void save(T transaction, Reservation reservation) {
            shop.save(transaction, reservation);
        }

        @Override
        public void release(T transaction, CartId cart) {
            shop.release(transaction, cart);
        }

        @Override
        public void add(T transaction, Order order) {
            shop.add(transaction, order);
        }

        @Override
        public List<Order> orders() {
            return shop.orders();
        }

        @Override
        public void add(T transaction, Review review) {
            shop.add(transaction, review);
        }

        @Override
        public List<Review> reviews() {
            return shop.reviews();
        }
    }

    private record Charges(AtomicInteger made) implements Payments {
        Charges() {
            this(new AtomicInteger());
        }

        @Override
        public Optional<String> charge(String idempotencyKey, String cart, long amount) {
            return Optional.of("ch_" + made.incrementAndGet());
        }
    }
}
