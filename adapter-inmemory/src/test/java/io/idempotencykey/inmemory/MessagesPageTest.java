package io.idempotencykey.inmemory;

import static io.idempotencykey.RecoveryPoint.STARTED;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.idempotencykey.Fingerprint;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.KeyId;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import io.idempotencykey.service.ResponseCodec;
import java.io.IOException;
import java.time.Duration;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The code of docs/MESSAGES.md, which is checked to be the same, as it runs between a broker and several consumers. */
class MessagesPageTest {
    private static final int CONSUMERS = 4;
    private static final int MAX_ATTEMPTS = 5;

    private final Ledger ledger = new Ledger();
    private final InMemoryKeyStore<List<Invoice>> store = new InMemoryKeyStore<>(ledger);
    private final IdempotencyKeyService<List<Invoice>> keys =
            IdempotencyKeyService.builder(store).timeToLive(Duration.ofDays(30)).build();
    private final Accounting accounting = new Accounting();
    private final InvoiceCodec codec = new InvoiceCodec();

    private final Operation<List<Invoice>> issueInvoice = keys.operation("issue-invoice")
            .respond(STARTED, codec, stage -> {
                Invoice invoice = accounting.invoiceFor(stage.request());
                stage.transaction().add(invoice);
                return invoice;
            })
            .answering(UnknownCustomer.class, e -> Response.of(404, new byte[0]))
            .build();

    private final Broker broker = new Broker();
    private final Outbox outbox = new Outbox();
    private final ExecutorService executor = Executors.newCachedThreadPool();

    @AfterEach
    void stop() {
        executor.shutdownNow();
    }

    // The application's consumer

    private Invoice handle(Event event) {
        KeyId id = KeyId.of("billing/payments", event.id());
        Request request = Request.ofMessage("payments", Map.of("customer", event.customer(), "amount", event.amount()));
        return keys.run(issueInvoice, id, request, codec);
    }

    private void onDelivery(Delivery delivery) {
        try {
            Invoice invoice = handle(delivery.event());
            outbox.send(delivery.event(), invoice);
            delivery.acknowledge();
        } catch (IdempotencyException e) {
            e.retryAfter().ifPresentOrElse(delivery::redeliverAfter, () -> delivery.deadLetter(e));
        } catch (Exception e) {
            if (delivery.attempt() < MAX_ATTEMPTS) {
                delivery.failed(Duration.ofSeconds(10));
            } else {
                delivery.deadLetter(e);
            }
        }
    }

    // What happens to it

    @Test
    void eachEventTakesEffectOnceWhateverBecomesOfItsDeliveries() throws Exception {
        List<Event> events = IntStream.range(0, 60)
                .mapToObj(i -> new Event("event-" + i, "customer-" + i, 100 + i))
                .toList();
        for (int i = 0; i < events.size(); i++) {
            Event event = events.get(i);
            broker.publish(event);
            if (i % 2 == 0) {
                broker.publish(event);
            }
            if (i % 3 == 0) {
                broker.losesAcknowledgement(event);
            }
            if (i % 5 == 0) {
                accounting.killing.add(event.customer());
            }
            if (i % 7 == 0) {
                accounting.failures.put(event.customer(), new AtomicInteger(i % 4));
            }
        }
        startConsumers();

        deliverAll();

        assertThat(broker.dead).isEmpty();
        assertThat(ledger.rows)
                .extracting(Invoice::customer)
                .containsExactlyInAnyOrderElementsOf(
                        events.stream().map(Event::customer).toList());
        for (Event event : events) {
            assertThat(ledger.rows).containsOnlyOnce(outbox.sentFor(event).get(0));
            assertThat(outbox.sentFor(event))
                    .hasSizeGreaterThanOrEqualTo(broker.published(event))
                    .containsOnly(outbox.sentFor(event).get(0));
        }
    }

    @Test
    void aConsumerThatDiesBeforeItAcknowledgesIsFollowedByOneThatGetsTheSameValue() throws Exception {
        Event event = new Event("event-1", "customer-1", 100);
        broker.losesAcknowledgement(event);
        broker.publish(event);
        startConsumers();

        assertThat(deliverAll()).isEqualTo(2);

        assertThat(ledger.rows).hasSize(1);
        assertThat(outbox.sentFor(event)).hasSize(2).containsOnly(ledger.rows.get(0));
    }

    @Test
    void aMessageThatIsDeliveredTwiceAtOnceIsHandledOnce() throws Exception {
        Event event = new Event("event-1", "customer-1", 100);
        CountDownLatch postponed = new CountDownLatch(1);
        broker.onPostponed = postponed::countDown;
        accounting.before = () -> await(postponed);
        broker.publish(event);
        broker.publish(event);
        startConsumers();

        assertThat(deliverAll()).isEqualTo(3);

        assertThat(ledger.rows).hasSize(1);
        assertThat(outbox.sentFor(event)).hasSize(2).containsOnly(ledger.rows.get(0));
    }

    @Test
    void aConsumerThatDiesAtWorkIsFollowedByOneThatDoesTheWork() throws Exception {
        Event event = new Event("event-1", "customer-1", 100);
        accounting.killing.add(event.customer());
        broker.publish(event);
        startConsumers();

        // Nothing is left of the dead consumer's work, not even the key, so the next delivery finds the way free.
        assertThat(deliverAll()).isEqualTo(2);

        assertThat(ledger.rows).hasSize(1);
        assertThat(outbox.sentFor(event)).containsExactlyElementsOf(ledger.rows);
    }

    @Test
    void anEventWithTheIdOfAnotherIsDead() throws Exception {
        handle(new Event("event-1", "customer-1", 100));
        broker.publish(new Event("event-1", "customer-1", 999));
        startConsumers();

        assertThat(deliverAll()).isEqualTo(1);

        assertThat(broker.dead)
                .singleElement()
                .extracting(Dead::reason)
                .isInstanceOf(IdempotencyException.Mismatch.class);
    }

    @Test
    void anEventThatFailsAgainAndAgainIsDead() throws Exception {
        accounting.failures.put("customer-1", new AtomicInteger(100));
        broker.publish(new Event("event-1", "customer-1", 100));
        startConsumers();

        assertThat(deliverAll()).isEqualTo(MAX_ATTEMPTS);

        assertThat(broker.dead).singleElement().extracting(Dead::reason).isInstanceOf(IOException.class);
        assertThat(ledger.rows).isEmpty();
    }

    @Test
    void anExceptionThatIsAnAnswerIsAValue() throws Exception {
        Event event = new Event("event-1", "nobody", 100);
        broker.publish(event);
        startConsumers();

        assertThat(deliverAll()).isEqualTo(1);

        assertThat(outbox.sentFor(event)).containsExactly(Invoice.NONE);
        assertThat(handle(event)).isEqualTo(Invoice.NONE);
    }

    @Test
    void whatMayPassSaysWhenToRedeliverAndTheRestDoesNot() {
        KeyId id = KeyId.of("event-1");
        Fingerprint fingerprint = Fingerprint.of("issue-invoice", Request.ofMessage("payments", Map.of()));
        List<IdempotencyException> redelivered = List.of(
                new IdempotencyException.Locked(id, Duration.ofSeconds(30)),
                new IdempotencyException.StaleKey(id, null),
                new IdempotencyException.RetriesExhausted(id, 20, null),
                new IdempotencyException.StoreUnavailable(id, null),
                new IdempotencyException.OutcomeUnknown(id, null),
                new IdempotencyException.StoreFull(id, null));
        List<IdempotencyException> dead = List.of(
                new IdempotencyException.Mismatch(id, fingerprint, fingerprint),
                new IdempotencyException.InvalidKey("too long"),
                new IdempotencyException.ResponseTooLarge(id, 2, 1),
                new IdempotencyException.Quarantined(id, "100 failed attempts"),
                new IdempotencyException.UnreadableKey(id, null),
                new IdempotencyException.UnknownRecoveryPoint(id, RecoveryPoint.named("new"), Set.of(STARTED)));
        // A consumer doesn't call retrieve, create and lock, which throw these.
        List<Class<?>> others = List.of(
                IdempotencyException.NotFound.class,
                IdempotencyException.KeyExists.class,
                IdempotencyException.AlreadyFinished.class);

        assertThat(redelivered)
                .allSatisfy(e -> assertThat(e.retryAfter()).as(e.toString()).isPresent());
        assertThat(dead)
                .allSatisfy(e -> assertThat(e.retryAfter()).as(e.toString()).isEmpty());
        assertThat(Stream.of(redelivered, dead).flatMap(List::stream).<Class<?>>map(Object::getClass))
                .containsAll(withoutThe(others, IdempotencyException.class.getPermittedSubclasses()));
    }

    private static List<Class<?>> withoutThe(List<Class<?>> others, Class<?>... all) {
        return Stream.<Class<?>>of(all).filter(each -> !others.contains(each)).toList();
    }

    @Test
    void aConsumerMayWaitForTheOneThatIsAtWork() throws Exception {
        Event event = new Event("event-1", "customer-1", 100);
        CountDownLatch atWork = new CountDownLatch(1);
        CountDownLatch goOn = new CountDownLatch(1);
        accounting.before = () -> {
            atWork.countDown();
            await(goOn);
        };
        Future<Invoice> other = executor.submit(() -> handle(event));
        await(atWork);
        Future<Invoice> waiting = executor.submit(() -> handlePatiently(event));

        goOn.countDown();

        assertThat(waiting.get(30, TimeUnit.SECONDS)).isEqualTo(other.get(30, TimeUnit.SECONDS));
        assertThat(ledger.rows).hasSize(1);
    }

    private Invoice handlePatiently(Event event) {
        return keys.run(issueInvoice, keyOf(event), requestOf(event), Duration.ofSeconds(30))
                .value(codec);
    }

    @Test
    void twoGroupsOfConsumersHandleOneEventInTwoScopes() {
        Event event = new Event("event-1", "customer-1", 100);
        handle(event);
        Operation<List<Invoice>> sendReceipt = keys.operation("send-receipt")
                .respond(STARTED, stage -> Response.of(204, new byte[0]))
                .build();

        assertThat(keys.run(sendReceipt, KeyId.of("mailing/payments", event.id()), requestOf(event))
                        .replayed())
                .isFalse();
        assertThatExceptionOfType(IdempotencyException.Mismatch.class)
                .isThrownBy(() -> keys.run(sendReceipt, keyOf(event), requestOf(event)));
    }

    @Test
    void aJobThatIsStartedTwiceRunsOnce() {
        Invoice first = closeMonth(LocalDate.of(2026, 2, 28));
        Invoice second = closeMonth(LocalDate.of(2026, 2, 28));
        Invoice next = closeMonth(LocalDate.of(2026, 3, 31));

        assertThat(second).isEqualTo(first);
        assertThat(ledger.rows).containsExactly(first, next);
    }

    private Invoice closeMonth(LocalDate day) {
        KeyId id = KeyId.of("close-month", day.toString());
        Request request = Request.ofMessage("close-month", Map.of("day", day.toString()));
        return keys.once("close-month", id, request, codec, stage -> {
            Invoice total = accounting.totalOf(day);
            stage.transaction().add(total);
            return total;
        });
    }

    @Test
    void aMessageThatComesAfterTheTimeToLiveIsHandledAnew() {
        Event event = new Event("event-1", "customer-1", 100);
        Invoice first = handle(event);

        store.moveTime(Duration.ofDays(29));
        assertThat(handle(event)).isEqualTo(first);

        store.moveTime(Duration.ofDays(2));
        assertThat(handle(event)).isNotEqualTo(first);
        assertThat(ledger.rows).hasSize(2);
    }

    private static void await(CountDownLatch latch) {
        try {
            assertThat(latch.await(60, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
            throw new AssertionError("interrupted", e);
        }
    }

    // The consumers' processes

    /** The same key as the consumer's. */
    private static KeyId keyOf(Event event) {
        return KeyId.of("billing/payments", event.id());
    }

    /** The same request as the consumer's. */
    private static Request requestOf(Event event) {
        return Request.ofMessage("payments", Map.of("customer", event.customer(), "amount", event.amount()));
    }

    private void startConsumers() {
        for (int i = 0; i < CONSUMERS; i++) {
            executor.execute(this::consume);
        }
    }

    private void consume() {
        while (true) {
            Delivery delivery;
            try {
                delivery = broker.take();
            } catch (InterruptedException e) {
                return;
            }
            try {
                onDelivery(delivery);
            } catch (ConsumerDied e) {
                executor.execute(this::consume);
                return;
            } finally {
                delivery.connectionEnds();
            }
        }
    }

    /**
     * Delivers everything, round after round, until all is acknowledged or dead; returns how many deliveries it took.
     */
    private int deliverAll() throws InterruptedException {
        int deliveries = 0;
        for (int round = 0; round < 30; round++) {
            int delivered = broker.deliverRound();
            if (delivered == 0) {
                return deliveries;
            }
            deliveries += delivered;
            store.moveTime(broker.longestDelay());
        }
        throw new AssertionError("there are still messages to deliver");
    }

    /** Ends a consumer at its work, as the death of its process would. */
    private static final class ConsumerDied extends Error {
        private static final long serialVersionUID = 1L;
    }

    /** Delivers each message at least once: again and again until it is acknowledged or dead. */
    private static final class Broker {
        final List<Dead> dead = new CopyOnWriteArrayList<>();
        volatile Runnable onPostponed = () -> {};
        private final BlockingQueue<Delivery> ready = new LinkedBlockingQueue<>();
        private final BlockingQueue<Message> later = new LinkedBlockingQueue<>();
        private final BlockingQueue<Duration> delays = new LinkedBlockingQueue<>();
        private final Map<String, AtomicInteger> published = new ConcurrentHashMap<>();
        private final Set<String> losing = ConcurrentHashMap.newKeySet();

        void publish(Event event) {
            published.computeIfAbsent(event.id(), each -> new AtomicInteger()).incrementAndGet();
            later.add(new Message(event, 1));
        }

        int published(Event event) {
            return published
                    .computeIfAbsent(event.id(), each -> new AtomicInteger())
                    .get();
        }

        void losesAcknowledgement(Event event) {
            losing.add(event.id());
        }

        /** Delivers what waits, and returns how many once each has ended in some way. */
        int deliverRound() throws InterruptedException {
            List<Message> due = new ArrayList<>();
            later.drainTo(due);
            CountDownLatch ends = new CountDownLatch(due.size());
            due.forEach(message -> ready.add(new Delivery(this, message, ends)));
            await(ends);
            return due.size();
        }

        Duration longestDelay() {
            List<Duration> asked = new ArrayList<>(List.of(Duration.ZERO));
            delays.drainTo(asked);
            return asked.stream().max(Duration::compareTo).orElseThrow();
        }

        Delivery take() throws InterruptedException {
            return ready.take();
        }
    }

    /** A message, and which attempt at it is next. A delivery that found the key held doesn't count as an attempt. */
    private record Message(Event event, int attempt) {}

    private record Dead(Event event, Exception reason) {}

    /** A message on its way to one consumer, which ends once. */
    private static final class Delivery {
        private final Broker broker;
        private final Message message;
        private final CountDownLatch ends;
        private final AtomicBoolean ended = new AtomicBoolean();

        Delivery(Broker broker, Message message, CountDownLatch ends) {
            this.broker = broker;
            this.message = message;
            this.ends = ends;
        }

        Event event() {
            return message.event();
        }

        int attempt() {
            return message.attempt();
        }

        void acknowledge() {
            if (broker.losing.remove(event().id())) {
                throw new ConsumerDied();
            }
            end(() -> {});
        }

        void redeliverAfter(Duration delay) {
            end(() -> {
                broker.delays.add(delay);
                broker.later.add(message);
                broker.onPostponed.run();
            });
        }

        void failed(Duration delay) {
            end(() -> {
                broker.delays.add(delay);
                broker.later.add(new Message(event(), attempt() + 1));
            });
        }

        void deadLetter(Exception reason) {
            end(() -> broker.dead.add(new Dead(event(), reason)));
        }

        /** Delivers again what wasn't acknowledged by then. */
        void connectionEnds() {
            end(() -> broker.later.add(message));
        }

        private void end(Runnable how) {
            if (ended.compareAndSet(false, true)) {
                how.run();
                ends.countDown();
            }
        }
    }

    // The application

    private record Event(String id, String customer, long amount) {}

    private record Invoice(String number, String customer) {
        static final Invoice NONE = new Invoice("", "");

        static Invoice of(String text) {
            String[] fields = text.split(" ", 2);
            return new Invoice(fields[0], fields[1]);
        }

        String text() {
            return number + " " + customer;
        }
    }

    private static final class InvoiceCodec implements ResponseCodec<Invoice> {
        @Override
        public Response encode(Invoice invoice) {
            return Response.of(200, "text/plain", invoice.text());
        }

        @Override
        public Invoice decode(Response response) {
            return response.status() == 404 ? Invoice.NONE : Invoice.of(new String(response.body(), UTF_8));
        }
    }

    private static final class UnknownCustomer extends Exception {
        private static final long serialVersionUID = 1L;
    }

    /** Gives each invoice another number, so that work that was done twice shows. */
    private static final class Accounting {
        final Map<String, AtomicInteger> failures = new ConcurrentHashMap<>();
        final Set<String> killing = ConcurrentHashMap.newKeySet();
        volatile Runnable before = () -> {};
        private final AtomicInteger numbers = new AtomicInteger();

        Invoice invoiceFor(Request request) throws IOException, UnknownCustomer {
            before.run();
            String customer = request.typed().text("customer");
            if (killing.remove(customer)) {
                throw new ConsumerDied();
            }
            if (customer.equals("nobody")) {
                throw new UnknownCustomer();
            }
            AtomicInteger left = failures.get(customer);
            if (left != null && left.getAndDecrement() > 0) {
                throw new IOException("the tax service is away");
            }
            return new Invoice("invoice-" + numbers.incrementAndGet(), customer);
        }

        Invoice totalOf(LocalDate day) {
            return new Invoice("total-" + numbers.incrementAndGet(), day.toString());
        }
    }

    /** Messages that follow from the value, each sent at least once. */
    private static final class Outbox {
        private final Map<String, List<Invoice>> sent = new ConcurrentHashMap<>();

        void send(Event event, Invoice invoice) {
            sentFor(event).add(invoice);
        }

        List<Invoice> sentFor(Event event) {
            return sent.computeIfAbsent(event.id(), each -> new CopyOnWriteArrayList<>());
        }
    }

    private static final class Ledger implements InMemoryTransactions<List<Invoice>> {
        final List<Invoice> rows = new CopyOnWriteArrayList<>();

        @Override
        public List<Invoice> begin() {
            return new ArrayList<>();
        }

        @Override
        public void commit(List<Invoice> written) {
            rows.addAll(written);
        }

        @Override
        public void rollback(List<Invoice> written) {}
    }
}
