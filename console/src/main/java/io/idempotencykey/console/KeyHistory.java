package io.idempotencykey.console;

import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyId;
import io.idempotencykey.service.KeyEvent;
import io.idempotencykey.service.KeyListener;
import java.lang.System.Logger.Level;
import java.time.Instant;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Remembers what last happened to keys, as one instance of the application saw it: locked by which attempt, stage
 * committed, failed, operated on.
 *
 * <pre>{@code
 * IdempotencyKeyService.builder(store).listener(history).build();
 * }</pre>
 *
 * <p>It is in memory only, and costs no statement. What is usual, such as a committed stage, and what isn't, such as a
 * failure, have places of their own, so that much traffic doesn't drive the failures out. It keeps no parameters,
 * bodies or messages of exceptions. Times are by this machine's clock. Replays and refusals are left out, because they
 * change nothing. Safe for many threads, without locks.
 */
public final class KeyHistory implements KeyListener {
    /** How many events of one key are shown. */
    static final int SHOWN = 200;

    private final Ring usual;
    private final Ring unusual;
    private final AtomicLong number = new AtomicLong();

    /**
     * A history of so many events.
     *
     * @param events how many usual ones are kept, and how many others, 1 to 1,000,000 of each; an event takes about 200
     *     bytes and the key's two texts
     * @throws IllegalArgumentException if the number is out of bounds
     */
    public KeyHistory(int events) {
        if (events < 1 || events > 1_000_000) {
            throw new IllegalArgumentException("argument 'events' is " + events + "; allowed: 1 to 1,000,000");
        }
        usual = new Ring(events);
        unusual = new Ring(events);
    }

    /** One thing that happened; the number tells the order within an instant. */
    private record Entry(
            long number,
            Instant at,
            KeyId id,
            UUID creationId,
            String what,
            long attempt,
            String recoveryPoint,
            String detail) {
        private Map<String, Object> described() {
            Map<String, Object> described = new LinkedHashMap<>();
            described.put("at", at.toString());
            described.put("what", what);
            described.put("attempt", attempt);
            described.put("recoveryPoint", recoveryPoint);
            described.put("detail", detail);
            return described;
        }
    }

    /** The last entries, the oldest of which is overwritten. */
    private static final class Ring {
        private final AtomicReferenceArray<@Nullable Entry> entries;
        private final AtomicLong next = new AtomicLong();

        Ring(int size) {
            entries = new AtomicReferenceArray<>(size);
        }

        void add(Entry entry) {
            entries.set((int) (next.getAndIncrement() % entries.length()), entry);
        }

        Stream<Entry> entries() {
            return IntStream.range(0, entries.length()).mapToObj(entries::get).filter(Objects::nonNull);
        }
    }

    @Override
    public void onEvent(KeyEvent event) {
        boolean isUsual = event.level() == Level.DEBUG && !(event instanceof KeyEvent.StageRetried);
        Consumer<Entry> kept = isUsual ? usual::add : unusual::add;
        if (event instanceof KeyEvent.Created created) {
            kept.accept(entry(created.key(), "created", ""));
        } else if (event instanceof KeyEvent.Locked locked) {
            kept.accept(entry(locked.key(), "locked", ""));
        } else if (event instanceof KeyEvent.TakenOver taken) {
            kept.accept(entry(taken.key(), "taken over, since its holder's lease had run out", ""));
        } else if (event instanceof KeyEvent.StageCommitted committed) {
            String stage = "stage '" + committed.stage().name() + "' committed";
            kept.accept(entry(
                    committed.key(), stage, committed.tries() > 1 ? "after " + committed.tries() + " tries" : ""));
        } else if (event instanceof KeyEvent.StageRetried retried) {
            kept.accept(entry(retried.key(), "stage tried again", named(retried.cause())));
        } else if (event instanceof KeyEvent.StageRolledBack rolledBack) {
            kept.accept(entry(rolledBack.key(), "stage rolled back", named(rolledBack.cause())));
        } else if (event instanceof KeyEvent.FencedOff fenced) {
            kept.accept(entry(fenced.key(), "fenced off, since another worker held the key", ""));
        } else if (event instanceof KeyEvent.Finished finished) {
            kept.accept(entry(finished.key(), "finished", ""));
        } else if (event instanceof KeyEvent.Completed completed) {
            kept.accept(entry(completed.key(), "completed in the background", ""));
        } else if (event instanceof KeyEvent.CompletionFailed failed) {
            kept.accept(entry(failed.key(), "not completed in the background", named(failed.cause())));
        } else if (event instanceof KeyEvent.Quarantined quarantined) {
            kept.accept(entry(quarantined.key(), "quarantined", ""));
        } else if (event instanceof KeyEvent.Operated operated) {
            kept.accept(entry(operated.key(), operated.action(), "by " + operated.by()));
        }
    }

    private Entry entry(IdempotencyKey key, String what, String detail) {
        return new Entry(
                number.getAndIncrement(),
                Instant.now(),
                key.id(),
                key.creationId(),
                what,
                key.attempts(),
                key.recoveryPoint().name(),
                detail);
    }

    /** An exception's message may quote what the client sent. */
    private static String named(Throwable cause) {
        return cause.getClass().getName();
    }

    /** What is known of a key's creation, the latest first, as much as is shown. */
    List<Map<String, Object>> of(KeyId id, UUID creationId) {
        return Stream.concat(usual.entries(), unusual.entries())
                .filter(entry ->
                        entry.creationId().equals(creationId) && entry.id().equals(id))
                .sorted(Comparator.comparingLong(Entry::number).reversed())
                .limit(SHOWN)
                .map(Entry::described)
                .toList();
    }
}
