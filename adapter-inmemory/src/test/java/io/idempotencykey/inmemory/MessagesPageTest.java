package io.idempotencykey.inmemory;

import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.KeyId;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.ResponseCodec;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The code of docs/MESSAGES.md, which is checked to be the same, in a consumer loop over a broker that delivers twice. */
@Timeout(120)
class MessagesPageTest {
    private static final int EVENTS = 200;
    private static final int CONSUMERS = 4;

    private final Queue<String> invoices = new ConcurrentLinkedQueue<>();
    private final IdempotencyKeyService<Queue<String>> keys =
            new IdempotencyKeyService<>(new InMemoryKeyStore<>(() -> invoices));
    private final Broker broker = new Broker();
    private final Map<String, Set<Integer>> results = new ConcurrentHashMap<>();
    private final List<Throwable> unexpected = new ArrayList<>();

    record Event(String id, long amount) {}

    /** Delivers at least once: what isn't acknowledged comes again. */
    private static final class Broker {
        private final BlockingQueue<Event> queue = new LinkedBlockingQueue<>();
        private final Set<String> acknowledged = ConcurrentHashMap.newKeySet();
        private final CountDownLatch all = new CountDownLatch(EVENTS);

        void deliver(Event event) {
            queue.add(event);
        }

        Event take() throws InterruptedException {
            return queue.take();
        }

        void acknowledge(Event event) {
            if (acknowledged.add(event.id())) {
                all.countDown();
            }
        }

        void redeliver(Event event) {
            deliver(event);
        }
    }

    static final class InvoiceNumbers implements ResponseCodec<Integer> {
        @Override
        public Response encode(Integer number) {
            return Response.of(200, "text/plain", number.toString());
        }

        @Override
        public Integer decode(Response response) {
            return Integer.valueOf(new String(response.body(), StandardCharsets.UTF_8));
        }
    }

    private int invoice(Event event) {
        KeyId id = new KeyId("orders", event.id());
        Request message = Request.ofMessage("orders", Map.of("amount", event.amount()));
        return keys.once("invoice", id, message, new InvoiceNumbers(), stage -> {
            stage.transaction().add(event.id() + " " + stage.request().typed().integer("amount"));
            return Math.floorMod(event.id().hashCode(), 1_000_000);
        });
    }

    private void consume(Event event) {
        try {
            int number = invoice(event);
            results.computeIfAbsent(event.id(), any -> ConcurrentHashMap.newKeySet())
                    .add(number);
            broker.acknowledge(event);
        } catch (IdempotencyException.Mismatch e) {
            reject(event, e);
        } catch (IdempotencyException e) {
            broker.redeliver(event);
        }
    }

    private void reject(Event event, Throwable why) {
        unexpected.add(new AssertionError(event.toString(), why));
    }

    @Test
    void everyEventHasItsEffectOnceThoughItIsDeliveredTwice() throws Exception {
        for (int i = 0; i < EVENTS; i++) {
            Event event = new Event("event-" + i, i);
            broker.deliver(event);
            broker.deliver(event);
        }
        List<Thread> consumers = new ArrayList<>();
        for (int i = 0; i < CONSUMERS; i++) {
            int first = i;
            Thread consumer = new Thread(() -> loop(first));
            consumer.setDaemon(true);
            consumer.start();
            consumers.add(consumer);
        }
        assertThat(broker.all.await(60, TimeUnit.SECONDS)).isTrue();
        consumers.forEach(Thread::interrupt);
        for (Thread consumer : consumers) {
            consumer.join(TimeUnit.SECONDS.toMillis(60));
        }

        assertThat(unexpected).isEmpty();
        assertThat(invoices).hasSize(EVENTS).doesNotHaveDuplicates();
        assertThat(results.values())
                .hasSize(EVENTS)
                .allSatisfy(numbers -> assertThat(numbers).hasSize(1));
    }

    /** Each consumer dies once after its work and before its acknowledgement: the broker delivers the event again. */
    private void loop(int consumer) {
        boolean dies = true;
        try {
            while (true) {
                Event event = broker.take();
                if (dies && Integer.parseInt(event.id().substring(6)) % CONSUMERS == consumer) {
                    dies = false;
                    try {
                        invoice(event);
                    } catch (IdempotencyException.Locked inFlight) {
                        // Another consumer has it.
                    }
                    broker.redeliver(event);
                } else {
                    consume(event);
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Test
    void aMessageWithAnotherContentUnderTheSameIdIsRefused() {
        invoice(new Event("event-1", 10));

        consume(new Event("event-1", 20));

        assertThat(unexpected).hasSize(1);
        assertThat(invoices).containsExactly("event-1 10");
    }
}
