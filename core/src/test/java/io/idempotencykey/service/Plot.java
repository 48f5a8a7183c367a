package io.idempotencykey.service;

import io.idempotencykey.KeyId;
import io.idempotencykey.service.History.Order;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * Who takes part in a run, and what may go wrong.
 *
 * @param servers the version of the application that each server runs
 * @param clients what each wants, and how often it asks
 * @param completers how often each of them runs
 * @param reapers how many there are
 * @param operators how often each of them acts
 * @param faults how many there may be
 * @param faulty one time in so many calls there may be one
 * @param clocks whether the store's clock may jump, and the time to live pass
 * @param unique whether the database refuses an effect that is there already
 * @param slow whether each stage takes much longer than its lease
 * @param restless one time in so many calls another worker may go on
 * @param knowing whether servers answer what they know without asking the store
 * @param inProcess whether servers look for a key before they make one
 * @param small whether every run is to be gone through, so that nothing varies that needn't
 */
record Plot(
        List<Version> servers,
        List<Client> clients,
        int completers,
        int reapers,
        int operators,
        int faults,
        int faulty,
        boolean clocks,
        boolean unique,
        boolean slow,
        int restless,
        boolean knowing,
        boolean inProcess,
        boolean small) {
    static final Duration LEASE = Duration.ofSeconds(10);
    static final Duration TIME_TO_LIVE = Duration.ofHours(24);

    private static final String BY_HAND = "hand";

    private static final List<KeyId> KEYS =
            List.of(KeyId.of("north", "k1"), KeyId.of("south", "k1"), KeyId.of("north", "k2"));

    /** One who sends a request, and sends it again until it is answered or the client has had enough. */
    record Client(Order order, int attempts, Duration waitAtMost) {
        /** Whether its server does by hand what others do by a declared operation. */
        boolean isByHand() {
            return order.id().scope().equals(BY_HAND);
        }
    }

    /** How a server's version of the application goes about an order. */
    enum Version {
        /** Payment, then order. */
        TWO_STAGES,
        /** Payment, invoice, then order; a request that failed is completed. */
        THREE_STAGES,
        /** Payment and order in one transaction. */
        ONE_STAGE,
        /** The same, with the key stored before. */
        ONE_STAGE_STAGED;

        static final List<Version> ALL = List.of(values());
    }

    /** Everything may vary. */
    static Plot chosen(Choices choices) {
        List<Version> servers = new ArrayList<>();
        int usual = choices.choose(Version.ALL.size());
        int count = 1 + choices.choose(3);
        for (int i = 0; i < count; i++) {
            int other = choices.chooseRarely(Version.ALL.size(), 2);
            servers.add(Version.ALL.get((usual + other) % Version.ALL.size()));
        }
        List<Client> clients = new ArrayList<>();
        int keys = 1 + choices.chooseRarely(KEYS.size(), 2);
        String cart = List.of("usual", Order.REFUSED, Order.BROKEN).get(choices.chooseRarely(3, 3));
        int crowd = 2 + choices.choose(4);
        for (int i = 0; i < crowd; i++) {
            KeyId id = KEYS.get(choices.choose(keys));
            boolean isAnother = choices.chooseRarely(2, 6) == 1;
            Duration wait = choices.chooseRarely(2, 4) == 1 ? Duration.ofSeconds(5) : Duration.ZERO;
            clients.add(new Client(Order.of(id, isAnother ? "another" : cart), 1 + choices.choose(3), wait));
        }
        int byHand = choices.chooseRarely(3, 3);
        for (int i = 0; i < byHand; i++) {
            Order order = Order.of(KeyId.of(BY_HAND, "k1"), "usual");
            clients.add(new Client(order, 1 + choices.choose(3), Duration.ZERO));
        }
        return new Plot(
                servers,
                clients,
                choices.choose(3),
                choices.choose(2),
                choices.chooseRarely(4, 2),
                choices.choose(10),
                2 << choices.choose(3),
                choices.chooseRarely(2, 2) == 1,
                choices.chooseRarely(2, 2) == 1,
                false,
                1 << choices.choose(3),
                choices.choose(2) == 1,
                choices.chooseRarely(2, 2) == 1,
                false);
    }

    /** Clients on one server after another, and nothing else than faults. */
    static Plot small(List<Version> versions, String cart, int workers, int keys, int attempts, int faults) {
        List<Client> clients = new ArrayList<>();
        for (int i = 0; i < workers; i++) {
            clients.add(new Client(Order.of(KEYS.get(i % keys), cart), attempts, Duration.ZERO));
        }
        return new Plot(versions, clients, 0, 0, 0, faults, 8, false, true, false, 1, false, false, true);
    }

    /** Requests under one key whose stages take three and a half leases each. */
    static Plot slow(int workers, int faults) {
        List<Client> clients = new ArrayList<>();
        for (int i = 0; i < workers; i++) {
            clients.add(new Client(Order.of(KEYS.get(0), "usual"), 300, Duration.ZERO));
        }
        return new Plot(
                List.of(Version.TWO_STAGES), clients, 0, 0, 0, faults, 8, false, true, true, 1, false, false, false);
    }
}
