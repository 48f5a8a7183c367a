package io.idempotencykey.chaos;

import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.Random;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Clients that send each request to any of the shops until they have its final answer, and at times an old one again.
 * Some want a cart that another client wants, too, some send their request to two shops at once, and some go away after
 * they have sent a request once, or when they are told of an exception.
 */
final class Clients {
    private static final int COUNT = 24;
    private static final int MOST_PAUSE_MILLIS = 100;
    private static final long PATIENCE_MILLIS = 8_000;
    private static final Duration ANSWERED_AGAIN_WITHIN = Duration.ofSeconds(30);
    private static final Pattern PROBLEM = Pattern.compile("urn:checkout:([a-z-]+)");
    private static final String ONE_MUG =
            "{\"email\":\"ada@example.org\",\"items\":[{\"sku\":\"mug\",\"quantity\":1}]}";

    /** Headers that come with an answer, and aren't part of it. */
    private static final List<String> NOT_STORED =
            List.of("Date", "Content-Length", "Idempotency-Key", "Idempotency-Replayed");

    private final HttpClient http = HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(Duration.ofSeconds(2))
            .build();
    private final Instant begin = Instant.now();
    private final Shops shops;
    private final boolean reviews;
    private final Queue<Sent> sent = new ConcurrentLinkedQueue<>();
    private final List<Thread> threads = new ArrayList<>();
    private final Map<String, AtomicLong> counted = new ConcurrentSkipListMap<>();
    private volatile @Nullable Sent last;
    private volatile boolean ending;
    private volatile long end = Long.MAX_VALUE;

    Clients(Shops shops, boolean reviews, long seed) {
        this.shops = shops;
        this.reviews = reviews;
        for (int i = 0; i < COUNT; i++) {
            Random random = new Random(seed + i);
            Thread thread = new Thread(() -> run(random), "client");
            thread.setDaemon(true);
            threads.add(thread);
            thread.start();
        }
    }

    private void run(Random random) {
        List<Sent> mine = new ArrayList<>();
        try {
            while (!ending) {
                Thread.sleep(random.nextInt(MOST_PAUSE_MILLIS));
                if (random.nextInt(5) == 0 && !mine.isEmpty()) {
                    count("sent again after their answer");
                    ask(mine.get(random.nextInt(mine.size())), random);
                    continue;
                }
                Sent next = next(random);
                sent.add(next);
                last = next;
                if (next.isLeft()) {
                    count("left by their clients");
                    boolean unused = attempt(next, random, 1 + random.nextInt(300));
                } else if (random.nextInt(8) == 0) {
                    if (attemptAtTwo(next, random) || ask(next, random)) {
                        mine.add(next);
                    }
                } else if (next.isReview() && isDenied(next, random)) {
                    count("given up after an exception");
                    next.deny();
                } else if (ask(next, random)) {
                    mine.add(next);
                }
            }
        } catch (InterruptedException e) {
            // It is over.
        }
    }

    /** Sends a request once, and returns whether its client was told of an exception, so that nothing is stored. */
    private boolean isDenied(Sent request, Random random) throws InterruptedException {
        boolean unused = attempt(request, random, PATIENCE_MILLIS);
        return request.history().stream().anyMatch(event -> event.contains(": 500 "));
    }

    private Sent next(Random random) {
        if (reviews && random.nextInt(4) == 0) {
            String text = "review-" + UUID.randomUUID();
            return Sent.review(
                    random.nextInt(5) == 0 ? "unicorn" : "mug", text, "{\"stars\":5,\"text\":\"" + text + "\"}");
        }
        Sent other = last;
        String cart = other != null && !other.isReview() && random.nextInt(10) == 0
                ? other.subject()
                : "cart-" + UUID.randomUUID();
        return Sent.completion(cart, body(random), random.nextInt(10) == 0);
    }

    /** Most lead to an order; some payments are declined, and some requests are refused. */
    private static String body(Random random) {
        return switch (random.nextInt(10)) {
            case 0 -> ONE_MUG.replace("mug", "laptop").replace(":1}", ":2}");
            case 1 -> ONE_MUG.replace("mug", "unicorn");
            default -> ONE_MUG.replace(":1}", ":" + (1 + random.nextInt(9)) + "}");
        };
    }

    /** Sends a request until it has a final answer; returns whether it has one before the end. */
    boolean ask(Sent request, Random random) throws InterruptedException {
        while (System.nanoTime() < end) {
            if (attempt(request, random, PATIENCE_MILLIS)) {
                return true;
            }
            Thread.sleep(10 + random.nextInt(40));
        }
        return false;
    }

    private boolean attempt(Sent request, Random random, long millis) throws InterruptedException {
        Optional<Pending> pending = send(request, shops.any(random));
        return pending.isPresent() && hear(request, pending.get(), millis);
    }

    /** Sends a request to two shops at once, as a double click does, and hears both; returns whether one answered. */
    private boolean attemptAtTwo(Sent request, Random random) throws InterruptedException {
        List<Pending> pending = shops.two(random).stream()
                .flatMap(shop -> send(request, shop).stream())
                .toList();
        int answered = 0;
        for (Pending each : pending) {
            answered += hear(request, each, PATIENCE_MILLIS) ? 1 : 0;
        }
        if (pending.size() == 2) {
            count("sent to two shops at once");
            count("sent to two shops at once, of which have answered: " + answered);
        }
        return answered > 0;
    }

    private record Heard(HttpResponse<String> answer, Instant at) {}

    private record Pending(Shops.Shop shop, Instant asked, CompletableFuture<Heard> answer) {}

    /** Sends a request to a shop, unless that is away. */
    private Optional<Pending> send(Sent request, Shops.Shop shop) {
        return shop.url().map(url -> {
            HttpRequest post = HttpRequest.newBuilder(url.resolve(request.path()))
                    .header("Idempotency-Key", request.key())
                    .POST(HttpRequest.BodyPublishers.ofString(request.body()))
                    .build();
            Instant asked = Instant.now();
            return new Pending(
                    shop,
                    asked,
                    http.sendAsync(post, HttpResponse.BodyHandlers.ofString(StandardCharsets.ISO_8859_1))
                            .thenApply(answer -> new Heard(answer, Instant.now())));
        });
    }

    private boolean hear(Sent request, Pending pending, long millis) throws InterruptedException {
        try {
            return heard(request, pending, pending.answer().get(millis, TimeUnit.MILLISECONDS));
        } catch (ExecutionException e) {
            count("broken off");
            request.happened(now() + pending.shop() + ": " + e.getCause());
        } catch (TimeoutException e) {
            pending.answer().cancel(true);
            count("without an answer in time");
            request.happened(now() + pending.shop() + ": no answer");
        }
        return false;
    }

    private boolean heard(Sent request, Pending pending, Heard heard) {
        HttpResponse<String> answer = heard.answer();
        int status = answer.statusCode();
        request.happened(now() + pending.shop() + ": " + status + " " + answer.body());
        if (answer.headers().firstValue("Retry-After").isPresent() || status >= 500) {
            Matcher problem = PROBLEM.matcher(answer.body());
            count("told to come again, status " + status + (problem.find() ? " " + problem.group(1) : ""));
            return false;
        }
        count("answered, status " + status);
        boolean replayed = answer.headers().firstValue("Idempotency-Replayed").isPresent();
        if (replayed) {
            count("answered by a replay");
        }
        Map<String, List<String>> headers = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
        headers.putAll(answer.headers().map());
        NOT_STORED.forEach(headers::remove);
        request.answered(new Sent.Answer(status, headers, answer.body(), replayed, pending.asked(), heard.at()));
        return true;
    }

    private String now() {
        return Duration.between(begin, Instant.now()).toMillis() + " ms, ";
    }

    private void count(String what) {
        counted.computeIfAbsent(what, none -> new AtomicLong()).incrementAndGet();
    }

    /** How often a client had to hear something other than an answer. */
    long refusals() {
        return counted.entrySet().stream()
                .filter(each -> each.getKey().startsWith("told")
                        || each.getKey().startsWith("broken")
                        || each.getKey().startsWith("without"))
                .mapToLong(each -> each.getValue().get())
                .sum();
    }

    /** What was counted, by what it is. */
    Map<String, Long> counts() {
        Map<String, Long> counts = new ConcurrentSkipListMap<>();
        counted.forEach((what, count) -> counts.put(what, count.get()));
        return counts;
    }

    Collection<Sent> sent() {
        return sent;
    }

    /** Lets each client end its request, within a bound. */
    void end(Duration bound) throws InterruptedException {
        end = System.nanoTime() + bound.toNanos();
        ending = true;
        for (Thread thread : threads) {
            thread.join(bound.toMillis() + PATIENCE_MILLIS + 2_000);
        }
    }

    /** Asks once more for the answers to old requests, within a bound; returns those that had none for too long. */
    List<Sent> askAgain(List<Sent> old, Duration bound) throws InterruptedException {
        long last = System.nanoTime() + bound.toNanos();
        Random random = new Random(old.size());
        List<Sent> unanswered = new ArrayList<>();
        for (Sent each : old) {
            if (System.nanoTime() > last) {
                break;
            }
            end = System.nanoTime() + ANSWERED_AGAIN_WITHIN.toNanos();
            count("sent again after all faults");
            if (!ask(each, random)) {
                unanswered.add(each);
            }
        }
        return unanswered;
    }
}
