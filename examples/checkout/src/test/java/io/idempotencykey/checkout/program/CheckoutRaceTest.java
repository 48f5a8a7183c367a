package io.idempotencykey.checkout.program;

import static io.idempotencykey.checkout.program.RunningShop.ONE_MUG;
import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.checkout.Checkout;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.ValueSource;

/** Requests that run at the same time, over each store. */
@ParameterizedClass
@ValueSource(strings = {"jpa", "mongo", "inmemory"})
class CheckoutRaceTest {
    @Parameter
    String store = "";

    @Test
    void aDuplicateOfARequestInFlightIsToldWhenToComeBack() throws Exception {
        CountDownLatch reached = new CountDownLatch(1);
        CountDownLatch released = new CountDownLatch(1);
        StageHook hook = (point, key) -> {
            reached.countDown();
            Patience.await(released);
        };
        try (RunningShop shop = RunningShop.on(store, hook)) {
            CompletableFuture<HttpResponse<String>> first = shop.send("cart", "key", ONE_MUG);
            Patience.await(reached);
            HttpResponse<String> duplicate = shop.complete("cart", "key", ONE_MUG);
            assertThat(duplicate.statusCode()).isEqualTo(409);
            assertThat(duplicate.headers().firstValue("Retry-After"))
                    .hasValueSatisfying(seconds -> assertThat(seconds).matches("[1-3]"));
            assertThat(shop.get("/keys/key").body()).contains("\"locked\":true", "\"recoveryPoint\":\"started\"");
            // Another request with the same key is refused also while the first one is in flight.
            assertThat(shop.complete("other-cart", "key", ONE_MUG).statusCode()).isEqualTo(422);
            released.countDown();
            assertThat(first.join().statusCode()).isEqualTo(201);
        } finally {
            released.countDown();
        }
    }

    @Test
    void fortyDuplicatesMakeOneOrderAndOneCharge() throws Exception {
        try (RunningShop shop = RunningShop.on(store, (point, key) -> {})) {
            List<HttpResponse<String>> responses = all(IntStream.range(0, 40)
                    .mapToObj(i -> shop.send("cart", "key", ONE_MUG))
                    .toList());
            responses.add(shop.complete("cart", "key", ONE_MUG));
            assertThat(responses)
                    .extracting(HttpResponse::statusCode)
                    .containsOnly(201, 409)
                    .contains(201);
            assertThat(responses)
                    .filteredOn(response -> response.statusCode() == 201)
                    .extracting(HttpResponse::body)
                    .containsOnly(responses.get(40).body());
            assertThat(responses)
                    .filteredOn(response -> response.statusCode() == 201
                            && response.headers()
                                    .firstValue("Idempotency-Replayed")
                                    .isEmpty())
                    .hasSize(1);
            assertThat(shop.count("/orders", "cart")).isEqualTo(1);
            assertThat(shop.count("/payments", "cart")).isEqualTo(1);
        }
    }

    @Test
    void differentRequestsDoNotDisturbEachOther() throws Exception {
        try (RunningShop shop = RunningShop.on(store, (point, key) -> {})) {
            // So many at once are answered within the shop's patience, even if the provider's disk is busy.
            Semaphore atOnce = new Semaphore(50);
            List<HttpResponse<String>> responses = all(IntStream.range(0, 300)
                    .mapToObj(i -> {
                        atOnce.acquireUninterruptibly();
                        return shop.send("cart-" + i, "key-" + i, ONE_MUG)
                                .whenComplete((response, failure) -> atOnce.release());
                    })
                    .toList());
            assertThat(responses).extracting(HttpResponse::statusCode).containsOnly(201);
            assertThat(responses).extracting(HttpResponse::body).doesNotHaveDuplicates();
        }
    }

    private static List<HttpResponse<String>> all(List<CompletableFuture<HttpResponse<String>>> sent) {
        return new ArrayList<>(sent.stream().map(CompletableFuture::join).toList());
    }

    @Test
    void aRequestThatHangsKeepsNoOtherFromBeingCompleted() throws Exception {
        CountDownLatch hanging = new CountDownLatch(1);
        CountDownLatch other = new CountDownLatch(1);
        CountDownLatch end = new CountDownLatch(1);
        StageHook hook = (point, key) -> {
            if (key.recoveryPoint().equals(RecoveryPoint.STARTED)) {
                // Once a stage is committed, a request that fails is completed in the background.
                return;
            }
            if (key.attempts() == 1) {
                throw new IllegalStateException("nobody comes back for it");
            }
            if (key.id().value().equals("hanging")) {
                hanging.countDown();
                Patience.await(end);
            } else if (key.recoveryPoint().equals(Checkout.PAYMENT_AUTHORIZED)) {
                other.countDown();
            }
        };
        try (RunningShop shop = RunningShop.on(store, hook)) {
            shop.runInBackground();
            assertThat(shop.complete("cart-1", "hanging", ONE_MUG).statusCode()).isEqualTo(500);
            Patience.await(hanging);

            assertThat(shop.complete("cart-2", "other", ONE_MUG).statusCode()).isEqualTo(500);
            Patience.await(other);
            end.countDown();
        } finally {
            end.countDown();
        }
    }
}
