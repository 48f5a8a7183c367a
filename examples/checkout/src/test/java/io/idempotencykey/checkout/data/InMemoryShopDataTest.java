package io.idempotencykey.checkout.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.idempotencykey.checkout.CartId;
import io.idempotencykey.checkout.Order;
import io.idempotencykey.checkout.Reservation;
import io.idempotencykey.checkout.TaxLine;
import io.idempotencykey.port.StoreFailure;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class InMemoryShopDataTest {
    private static final CartId CART = new CartId("shop", "cart");

    private final InMemoryShopData shop = new InMemoryShopData();

    @Test
    void writesAreSeenByTheirOwnTransactionAndByOthersAfterTheCommit() {
        InMemoryShopData.Transaction transaction = shop.begin();
        shop.save(transaction, heldBy("a"));
        shop.add(transaction, new Order("1", CART, "ada@example.org", 1, "ch_1"));
        assertThat(shop.find(transaction, CART)).contains(heldBy("a"));
        assertThat(shop.find(CART)).isEmpty();
        assertThat(shop.orders()).isEmpty();
        shop.commit(transaction);
        assertThat(shop.find(CART)).contains(heldBy("a"));
        assertThat(shop.orders()).hasSize(1);
    }

    @Test
    void theSecondOfTwoTransactionsThatReserveACartChangesNothing() {
        InMemoryShopData.Transaction first = shop.begin();
        InMemoryShopData.Transaction second = shop.begin();
        shop.save(first, heldBy("a"));
        shop.save(second, heldBy("b"));
        shop.add(second, new Order("2", CART, "ada@example.org", 1, "ch_2"));
        shop.commit(first);
        assertThatExceptionOfType(StoreFailure.class)
                .isThrownBy(() -> shop.commit(second))
                .satisfies(e -> assertThat(e.kind()).isEqualTo(StoreFailure.Kind.TRANSIENT));
        assertThat(shop.find(CART)).contains(heldBy("a"));
        assertThat(shop.orders()).isEmpty();
    }

    @Test
    void aReleasedCartIsFree() {
        InMemoryShopData.Transaction taking = shop.begin();
        shop.save(taking, heldBy("a"));
        shop.commit(taking);
        InMemoryShopData.Transaction giving = shop.begin();
        shop.release(giving, CART);
        assertThat(shop.find(giving, CART)).isEmpty();
        shop.commit(giving);
        assertThat(shop.find(CART)).isEmpty();
    }

    private static Reservation heldBy(String holder) {
        return new Reservation(CART, holder, List.of(new TaxLine("mug", 1, 1250, 250)), Optional.empty());
    }
}
