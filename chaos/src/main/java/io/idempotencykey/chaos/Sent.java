package io.idempotencykey.chaos;

import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/** A request, how often it may be sent, and all that its client heard of it. */
final class Sent {
    /** So many events of a request are kept; one that hears "later" for minutes has more. */
    private static final int MOST_EVENTS = 100;

    private final String cart;
    private final String path;
    private final String subject;
    private final String key = "key-" + UUID.randomUUID();
    private final String body;
    private final boolean left;
    private final Instant first = Instant.now();
    private final List<String> events = new ArrayList<>();
    private final List<Answer> answers = new ArrayList<>();
    private volatile boolean denied;

    /**
     * A final answer, as far as it is stored: each byte of the body is a character, and the headers that no request
     * shares are left out.
     *
     * @param replayed whether the shop said that it had been given before
     * @param asked when what it answers was sent
     * @param heard when its first copy came
     */
    record Answer(
            int status,
            Map<String, List<String>> headers,
            String body,
            boolean replayed,
            Instant asked,
            Instant heard) {
        boolean isSameAs(Answer other) {
            return status == other.status && headers.equals(other.headers) && body.equals(other.body);
        }
    }

    private Sent(String cart, String path, String subject, String body, boolean left) {
        this.cart = cart;
        this.path = path;
        this.subject = subject;
        this.body = body;
        this.left = left;
    }

    /** A request to complete a cart; if it is left, its client sends it once and goes away. */
    static Sent completion(String cart, String body, boolean left) {
        return new Sent(cart, "/carts/" + cart + "/complete", cart, body, left);
    }

    /** A request to add a review, whose text nobody else writes. */
    static Sent review(String sku, String text, String body) {
        return new Sent("", "/articles/" + sku + "/reviews", text, body, false);
    }

    boolean isReview() {
        return cart.isEmpty();
    }

    String path() {
        return path;
    }

    /** The cart, or the review's text. */
    String subject() {
        return subject;
    }

    String key() {
        return key;
    }

    String body() {
        return body;
    }

    /** Whether its client has gone away without an answer. */
    boolean isLeft() {
        return left || denied;
    }

    /** Its client was told of an exception by the first that it heard, and has gone away. */
    void deny() {
        denied = true;
    }

    boolean isDenied() {
        return denied;
    }

    Instant first() {
        return first;
    }

    synchronized void happened(String event) {
        if (events.size() < MOST_EVENTS) {
            events.add(event);
        }
    }

    /** Keeps an answer unless it is the same as the one before; one that was heard earlier is kept as it was then. */
    synchronized void answered(Answer answer) {
        Answer first = answers.stream().filter(answer::isSameAs).findFirst().orElse(answer);
        if (answers.isEmpty() || !answers.get(answers.size() - 1).equals(first)) {
            answers.add(first);
        }
    }

    /** The answers, each of which differs from the one before, and each as it was heard first. */
    synchronized List<Answer> answers() {
        return List.copyOf(answers);
    }

    synchronized List<String> history() {
        List<String> history = new ArrayList<>();
        history.add("POST " + path + " " + key + " " + body + (left ? ", whose client goes away" : ""));
        history.addAll(events);
        return history;
    }
}
