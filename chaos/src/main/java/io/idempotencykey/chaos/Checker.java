package io.idempotencykey.chaos;

import io.idempotencykey.chaos.Contents.Charge;
import io.idempotencykey.chaos.Contents.Order;
import io.idempotencykey.chaos.Contents.Reservation;
import io.idempotencykey.chaos.Contents.Review;
import io.idempotencykey.chaos.Sent.Answer;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.UUID;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Compares what clients heard with what the store and the payment provider have, when all has come to its end.
 *
 * <p>What was committed while a standby lagged is lost when that is promoted: a key and all that its stages wrote, and
 * the charge stays. That is excused, and counted, for an answer that may have been given from when the standby was last
 * known to have everything until the primary was gone; its key may then be as it was left to its client before. A shop
 * that knows such an answer goes on giving it beside the new one, so it is also excused where it is replayed later: one
 * that was heard before, or that a request sent by then may have got. And it is excused for one more charge of a cart
 * per promotion, by another derived key, if one of the cart's requests had no answer by then or got it then. Nothing
 * else is.
 */
final class Checker {
    /** What must not be. */
    enum Kind {
        /** A client that kept asking has no final answer. */
        NOT_ANSWERED,
        /** A key was begun, and is neither finished nor left to a client that was told of an exception. */
        NOT_ENDED,
        /** Two final answers to one request differ. */
        ANSWER_CHANGED,
        /** A final answer isn't the one that is stored with the key. */
        ANSWER_NOT_STORED,
        /** The answer tells of an order or a review, and there is none. */
        EFFECT_MISSING,
        /** The client was told of an exception, and what it asked for was done. */
        EFFECT_THOUGH_DENIED,
        /** There are two orders, reviews or winners of one cart. */
        EFFECT_TWICE,
        /** There is an order, a review or a reservation without an answer that tells of it. */
        EFFECT_WITHOUT_ANSWER,
        /** An order, its answer, its reservation and its charge don't agree. */
        EFFECTS_DISAGREE,
        CHARGE_MISSING,
        CHARGE_TWICE,
        CHARGE_WITHOUT_ORDER,
        /** Something is stored that nobody asked for. */
        NOT_ASKED_FOR,
        /** A key is stored twice. */
        KEY_TWICE,
        /** The library or the shop has thrown an exception which no fault explains. */
        EXCEPTION_UNEXPLAINED
    }

    /** A request whose client has gone has come to its end by then. */
    private static final Duration COMPLETED_WITHIN = Duration.ofMinutes(2);

    /** A standby took over that had what was committed before {@code since}; its primary was gone by {@code until}. */
    record Promotion(Instant since, Instant until) {
        /** Whether an answer may have been lost; a replayed one was given to the request when it was sent before. */
        private boolean mayHaveLost(Sent sent, Answer answer) {
            Instant asked = answer.replayed() ? sent.first() : answer.asked();
            return !answer.heard().isBefore(since) && !asked.isAfter(until);
        }

        /** Whether one answer may have been lost, and the other given after that. */
        private boolean liesBetween(Sent sent, Answer one, Answer other) {
            return (mayHaveLost(sent, one) && !other.heard().isBefore(until))
                    || (mayHaveLost(sent, other) && !one.heard().isBefore(until));
        }

        /** Whether a worker may still hold a key whose last stage was lost; a lease grows to ten times its length. */
        boolean mayHaveLostWhatIsHeld(Instant at) {
            return !at.isBefore(since) && !at.isAfter(until.plusMillis(10 * Shops.LEASE_MILLIS));
        }

        /** Whether a creation of the request's key, and a charge of it, may have been lost. */
        private boolean mayHaveLost(Sent sent) {
            List<Answer> answers = sent.answers();
            return !sent.first().isAfter(until)
                    && (answers.isEmpty()
                            ? !sent.isLeft()
                                    || !sent.first().plus(COMPLETED_WITHIN).isBefore(since)
                            : answers.stream()
                                    .anyMatch(answer -> !answer.heard().isBefore(since)));
        }
    }

    /** One finding, with all that is known of the request. */
    record Anomaly(Kind kind, String request, String detail, List<String> history) {}

    /** The findings, and what was lost though it was acknowledged, as asynchronous replication may. */
    record Result(List<Anomaly> anomalies, List<String> lost) {}

    private final List<Promotion> promotions;
    private final Map<String, List<Contents.Key>> keys;
    private final Map<String, List<Reservation>> reservations;
    private final Map<String, List<Order>> orders;
    private final Map<String, List<Review>> reviews;
    private final Map<String, List<Charge>> charges;
    private final List<Anomaly> anomalies = new ArrayList<>();
    private final List<String> lost = new ArrayList<>();

    private Checker(Contents contents, List<Promotion> promotions) {
        this.promotions = promotions;
        keys = by(contents.keys(), Contents.Key::value);
        reservations = by(contents.reservations(), Reservation::cart);
        orders = by(contents.orders(), Order::cart);
        reviews = by(contents.reviews(), Review::text);
        charges = by(contents.charges(), Charge::cart);
    }

    /**
     * Checks a run.
     *
     * @param promotions of standbys that may have lagged
     */
    static Result check(Collection<Sent> sent, Contents contents, List<Promotion> promotions) {
        Checker checker = new Checker(contents, promotions);
        Map<String, List<Sent>> carts = by(sent, Sent::subject);
        for (Sent each : sent) {
            checker.checkAnswers(each);
        }
        for (List<Sent> ofOne : carts.values()) {
            if (ofOne.get(0).isReview()) {
                checker.checkReview(ofOne.get(0));
            } else {
                checker.checkCart(ofOne);
            }
        }
        checker.checkThatAllWasAskedFor(sent, carts.keySet());
        return new Result(List.copyOf(checker.anomalies), List.copyOf(checker.lost));
    }

    private void checkAnswers(Sent sent) {
        List<Contents.Key> found = keys.getOrDefault(sent.key(), List.of());
        if (found.size() > 1) {
            report(Kind.KEY_TWICE, sent, found.toString());
        }
        Contents.@Nullable Key key = found.isEmpty() ? null : found.get(0);
        List<Answer> answers = sent.answers();
        boolean excused = answers.stream()
                .filter(answer -> !isStored(answer, key))
                .allMatch(answer -> promotions.stream().anyMatch(each -> each.mayHaveLost(sent, answer)));
        for (int i = 1; i < answers.size(); i++) {
            Answer one = answers.get(i - 1);
            Answer other = answers.get(i);
            excused &= promotions.stream().anyMatch(each -> each.liesBetween(sent, one, other));
        }
        if (excused && answers.stream().anyMatch(answer -> !isStored(answer, key))) {
            lost.add(sent.key());
        }
        if (answers.isEmpty() && !sent.isLeft()) {
            report(Kind.NOT_ANSWERED, sent, key == null ? "no key is stored" : "its key is " + key.state());
        }
        boolean isLeftToItsClient = key != null && key.state().equals("failed") && (answers.isEmpty() || excused);
        if (key != null && !key.isFinished() && !isLeftToItsClient) {
            report(Kind.NOT_ENDED, sent, "its key is " + key.state());
        }
        if (answers.size() > 1 && !excused) {
            report(Kind.ANSWER_CHANGED, sent, answers.toString());
        }
        if (!answers.isEmpty() && !isStored(answers.get(answers.size() - 1), key) && !excused) {
            report(Kind.ANSWER_NOT_STORED, sent, answers + ", and stored is " + key);
        }
    }

    private static boolean isStored(Answer answer, Contents.@Nullable Key key) {
        return key != null
                && key.isFinished()
                && key.status() == answer.status()
                && key.headers().equals(answer.headers())
                && key.body().equals(answer.body());
    }

    private void checkReview(Sent sent) {
        List<Review> found = reviews.getOrDefault(sent.subject(), List.of());
        if (sent.isDenied() && (isDone(sent) || !found.isEmpty())) {
            report(Kind.EFFECT_THOUGH_DENIED, sent, found.toString());
        } else if (found.size() > 1) {
            report(Kind.EFFECT_TWICE, sent, found.toString());
        } else if (isDone(sent)) {
            if (found.isEmpty()) {
                report(Kind.EFFECT_MISSING, sent, "no review");
            }
        } else if (!found.isEmpty()) {
            report(Kind.EFFECT_WITHOUT_ANSWER, sent, found.toString());
        }
    }

    private boolean isDone(Sent sent) {
        return keys.getOrDefault(sent.key(), List.of()).stream()
                .anyMatch(key -> key.isFinished() && key.status() == 201);
    }

    /** Checks a cart, which several requests may want to complete; one of them may win it. */
    private void checkCart(List<Sent> rivals) {
        Sent any = rivals.get(0);
        String cart = any.subject();
        List<Sent> winners = rivals.stream().filter(this::isDone).toList();
        List<Order> ordered = orders.getOrDefault(cart, List.of());
        List<Reservation> reserved = reservations.getOrDefault(cart, List.of());
        List<Charge> charged = charges.getOrDefault(cart, List.of());
        long excused = promotions.stream()
                .filter(each -> rivals.stream().anyMatch(each::mayHaveLost))
                .count();
        if (winners.size() > 1 || ordered.size() > 1) {
            report(Kind.EFFECT_TWICE, any, winners.size() + " requests have won the cart, " + ordered);
            return;
        }
        if (charged.size() > 1 + excused
                || charged.stream().map(Charge::key).distinct().count() < charged.size()) {
            report(Kind.CHARGE_TWICE, any, charged.toString());
        }
        if (!winners.isEmpty()) {
            checkWinner(winners.get(0), ordered, reserved, charged);
            return;
        }
        if (!ordered.isEmpty()) {
            report(Kind.EFFECT_WITHOUT_ANSWER, any, ordered.toString());
        }
        boolean unfinished = rivals.stream()
                .flatMap(sent -> keys.getOrDefault(sent.key(), List.of()).stream())
                .anyMatch(Contents.Key::isInProgress);
        if (!reserved.isEmpty() && !unfinished) {
            report(Kind.EFFECT_WITHOUT_ANSWER, any, reserved.toString());
        }
        if (charged.size() > excused && !unfinished) {
            report(Kind.CHARGE_WITHOUT_ORDER, any, charged.toString());
        }
    }

    private void checkWinner(Sent winner, List<Order> ordered, List<Reservation> reserved, List<Charge> charged) {
        if (ordered.isEmpty()) {
            report(Kind.EFFECT_MISSING, winner, "no order");
            return;
        }
        Order order = ordered.get(0);
        Contents.Key key = keys.getOrDefault(winner.key(), List.of()).get(0);
        if (!key.body().contains('"' + order.id() + '"')
                || !key.body().contains('"' + order.payment() + '"')
                || !reserved.equals(List.of(new Reservation(winner.subject(), key.creation(), order.payment())))) {
            report(Kind.EFFECTS_DISAGREE, winner, key + ", " + order + ", " + reserved);
        }
        if (charged.stream()
                .noneMatch(charge -> charge.id().equals(order.payment())
                        && charge.key().equals(derivedKey(key.creation()))
                        && charge.amount() == order.total())) {
            report(Kind.CHARGE_MISSING, winner, order + ", charges " + charged);
        }
    }

    /** The key that a creation is charged with: computed here, as docs/PROTOCOL.md says, and not by the library. */
    static String derivedKey(String creation) {
        try {
            UUID id = UUID.fromString(creation);
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            digest.update(ByteBuffer.allocate(16)
                    .putLong(id.getMostSignificantBits())
                    .putLong(id.getLeastSignificantBits())
                    .array());
            ByteBuffer bytes = ByteBuffer.wrap(digest.digest("charge".getBytes(StandardCharsets.US_ASCII)));
            long high = (bytes.getLong() & 0xffffffffffff0fffL) | 0x8000L;
            long low = (bytes.getLong() & 0x3fffffffffffffffL) | 0x8000000000000000L;
            return new UUID(high, low).toString();
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }

    private void checkThatAllWasAskedFor(Collection<Sent> sent, Set<String> subjects) {
        Set<String> sentKeys = sent.stream().map(Sent::key).collect(Collectors.toSet());
        nobodyAsked(keys.keySet(), sentKeys, "key");
        nobodyAsked(reservations.keySet(), subjects, "reservation");
        nobodyAsked(orders.keySet(), subjects, "order");
        nobodyAsked(reviews.keySet(), subjects, "review");
        nobodyAsked(charges.keySet(), subjects, "charge");
    }

    private void nobodyAsked(Set<String> stored, Set<String> asked, String what) {
        Set<String> more = new HashSet<>(stored);
        more.removeAll(asked);
        for (String each : more) {
            anomalies.add(new Anomaly(Kind.NOT_ASKED_FOR, each, "a " + what + " that no request asked for", List.of()));
        }
    }

    /** Finds fault with a request that was answered, and has no answer any more. */
    static List<Anomaly> notAnsweredAgain(Collection<Sent> unanswered, Contents contents, List<Promotion> promotions) {
        Checker checker = new Checker(contents, promotions);
        unanswered.forEach(sent -> checker.report(Kind.NOT_ANSWERED, sent, "it was answered before"));
        return checker.anomalies;
    }

    private void report(Kind kind, Sent sent, String detail) {
        List<String> history = new ArrayList<>(sent.history());
        keys.getOrDefault(sent.key(), List.of()).forEach(each -> history.add("stored: " + each));
        if (!sent.isReview()) {
            reservations.getOrDefault(sent.subject(), List.of()).forEach(each -> history.add("stored: " + each));
            orders.getOrDefault(sent.subject(), List.of()).forEach(each -> history.add("stored: " + each));
            charges.getOrDefault(sent.subject(), List.of()).forEach(each -> history.add("charged: " + each));
        }
        promotions.forEach(each -> history.add(each.toString()));
        anomalies.add(new Anomaly(kind, sent.key(), detail, history));
    }

    private static <T> Map<String, List<T>> by(Collection<T> all, Function<T, String> name) {
        return all.stream()
                .collect(Collectors.groupingBy(
                        each -> Objects.requireNonNull(name.apply(each)), LinkedHashMap::new, Collectors.toList()));
    }
}
