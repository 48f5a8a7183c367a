package io.idempotencykey.checkout;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.KeyId;
import io.idempotencykey.checkout.data.InMemoryShopData;
import io.idempotencykey.inmemory.InMemoryKeyStore;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.KeyEvent;
import io.idempotencykey.service.KeyListener;
import io.idempotencykey.service.Operation;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class CheckoutTest {
    private static final Map<String, Object> BODY =
            Map.of("email", "ada@example.org", "items", List.of(Map.of("sku", "mug", "quantity", 1)));

    private final InMemoryShopData shop = new InMemoryShopData();
    private final List<String> charges = new ArrayList<>();
    private Instant now = Instant.EPOCH;
    private final InMemoryKeyStore<InMemoryShopData.Transaction> store = new InMemoryKeyStore<>(shop, 100, () -> now);

    @Test
    void aChargeIsMadeOnlyByTheKeyThatReservedTheCart() {
        List<Integer> meanwhile = new ArrayList<>();
        KeyListener sleep = event -> {
            if (event instanceof KeyEvent.StageCommitted && meanwhile.isEmpty()) {
                now = now.plusSeconds(60);
                meanwhile.add(complete("key-1", false, other -> {}));
                meanwhile.add(complete("key-2", true, other -> {}));
            }
        };

        assertThatExceptionOfType(IdempotencyException.StaleKey.class).isThrownBy(() -> complete("key-1", true, sleep));

        assertThat(meanwhile).as("declined, then another key's").containsExactly(402, 201);
        assertThat(charges).hasSize(1);
        assertThat(shop.orders()).hasSize(1);
    }

    /** Completes the cart with a service of its own, as another process would. */
    private int complete(String key, boolean accepted, KeyListener listener) {
        Payments payments = (idempotencyKey, cart, amount) -> {
            if (accepted) {
                charges.add(idempotencyKey);
            }
            return accepted ? Optional.of("ch_1") : Optional.empty();
        };
        IdempotencyKeyService<InMemoryShopData.Transaction> keys =
                IdempotencyKeyService.builder(store).listener(listener).build();
        Operation<InMemoryShopData.Transaction> operation = new Checkout<>(shop, payments).operation(keys, 1);
        assertThat(operation.recoveryPoints()).containsExactlyElementsOf(Checkout.STAGES);
        return keys.run(operation, KeyId.of(key), CompleteCart.request("cart", BODY))
                .response()
                .status();
    }
}
