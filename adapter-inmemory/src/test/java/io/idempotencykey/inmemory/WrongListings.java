package io.idempotencykey.inmemory;

import io.idempotencykey.Backlog;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyProgress;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.port.KeyStore;
import io.idempotencykey.port.StoredKey;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Stores that are wrong about what they list, count and delete. */
final class WrongListings {
    private static final int ALL = 1_000;
    private static final String LAST = "~".repeat(KeyId.MAX_LENGTH);

    private WrongListings() {}

    // Deleted

    static <T> KeyStore<T> deletesTheUnfinished(KeyStore<T> right) {
        return new ForwardingStore<>(right) {
            @Override
            public int deleteExpired(Instant at, int limit) {
                doom(right, right.findResumable(Map.of(), null, at, limit));
                return right.deleteExpired(at, limit);
            }
        };
    }

    static <T> KeyStore<T> deletesTheQuarantined(KeyStore<T> right) {
        return new ForwardingStore<>(right) {
            @Override
            public int deleteExpired(Instant at, int limit) {
                doom(right, right.findQuarantined(null, null, at, limit));
                return right.deleteExpired(at, limit);
            }
        };
    }

    /** Makes the right store delete what it would leave alone. */
    private static <T> void doom(KeyStore<T> right, List<StoredKey> keys) {
        for (StoredKey stored : keys) {
            KeyProgress progress = stored.key().progress();
            KeyProgress doomed = new KeyProgress(
                    new KeyState.Failed(Instant.EPOCH),
                    progress.attempts(),
                    progress.failedAttempts(),
                    progress.lastError(),
                    progress.updatedAt());
            WrongKeys.overwrite(
                    right, new StoredKey(new IdempotencyKey(stored.key().creation(), doomed), stored.revision()));
        }
    }

    static <T> KeyStore<T> deletesTooEarly(KeyStore<T> right) {
        return new ForwardingStore<>(right) {
            @Override
            public int deleteExpired(Instant at, int limit) {
                return right.deleteExpired(at.plusMillis(1), limit);
            }
        };
    }

    static <T> KeyStore<T> deletesTooLate(KeyStore<T> right) {
        return new ForwardingStore<>(right) {
            @Override
            public int deleteExpired(Instant at, int limit) {
                return right.deleteExpired(at.minusMillis(1), limit);
            }
        };
    }

    static <T> KeyStore<T> deletesWhatCameAnew(KeyStore<T> right) {
        List<KeyId> expired = new ArrayList<>();
        return new ForwardingStore<>(right) {
            @Override
            public boolean insert(StoredKey key) {
                expired.add(key.id());
                return right.insert(key);
            }

            @Override
            public int deleteExpired(Instant at, int limit) {
                doom(
                        right,
                        expired.stream().flatMap(id -> right.find(id).stream()).toList());
                return right.deleteExpired(at, limit);
            }
        };
    }

    static <T> KeyStore<T> deletesWithoutLimit(KeyStore<T> right) {
        return new ForwardingStore<>(right) {
            @Override
            public int deleteExpired(Instant at, int limit) {
                return right.deleteExpired(at, ALL);
            }
        };
    }

    // Resumable

    /** How a wrong store answers in place of the right one. */
    private interface Resumable<T> {
        List<StoredKey> find(
                KeyStore<T> right,
                Map<String, Set<RecoveryPoint>> operations,
                @Nullable String afterScope,
                Instant before,
                int limit);
    }

    private static <T> KeyStore<T> resuming(KeyStore<T> right, Resumable<T> wrong) {
        return new ForwardingStore<>(right) {
            @Override
            public List<StoredKey> findResumable(
                    Map<String, Set<RecoveryPoint>> operations,
                    @Nullable String afterScope,
                    Instant before,
                    int limit) {
                return wrong.find(right, operations, afterScope, before, limit);
            }
        };
    }

    static <T> KeyStore<T> resumesWithoutLimit(KeyStore<T> right) {
        return resuming(
                right,
                (store, operations, afterScope, before, limit) ->
                        store.findResumable(operations, afterScope, before, ALL));
    }

    static <T> KeyStore<T> resumesTheNewest(KeyStore<T> right) {
        return resuming(right, (store, operations, afterScope, before, limit) -> {
            List<StoredKey> found = new ArrayList<>(store.findResumable(operations, afterScope, before, ALL));
            Collections.reverse(found);
            return found.subList(0, Math.min(found.size(), limit));
        });
    }

    static <T> KeyStore<T> resumesTheHeld(KeyStore<T> right) {
        return resuming(
                right,
                (store, operations, afterScope, before, limit) ->
                        store.findResumable(operations, afterScope, before.plusMillis(1), limit));
    }

    static <T> KeyStore<T> forgetsTheDead(KeyStore<T> right) {
        return resuming(
                right,
                (store, operations, afterScope, before, limit) ->
                        store.findResumable(operations, afterScope, before, limit).stream()
                                .filter(key -> key.key().state() instanceof KeyState.Open)
                                .toList());
    }

    static <T> KeyStore<T> resumesEveryOperation(KeyStore<T> right) {
        return resuming(
                right,
                (store, operations, afterScope, before, limit) ->
                        store.findResumable(Map.of(), afterScope, before, limit));
    }

    static <T> KeyStore<T> resumesEveryPoint(KeyStore<T> right) {
        return resuming(
                right,
                (store, operations, afterScope, before, limit) ->
                        store.findResumable(Map.of(), afterScope, before, ALL).stream()
                                .filter(key -> operations.isEmpty()
                                        || operations.containsKey(key.key().operation()))
                                .limit(limit)
                                .toList());
    }

    static <T> KeyStore<T> forgetsAnOperation(KeyStore<T> right) {
        return resuming(
                right,
                (store, operations, afterScope, before, limit) -> store.findResumable(
                        operations.entrySet().stream()
                                .sorted(Map.Entry.comparingByKey())
                                .limit(1)
                                .collect(Collectors.toMap(Map.Entry::getKey, Map.Entry::getValue)),
                        afterScope,
                        before,
                        limit));
    }

    static <T> KeyStore<T> limitsBeforeItChooses(KeyStore<T> right) {
        return resuming(right, (store, operations, afterScope, before, limit) -> {
            List<StoredKey> page = store.findResumable(Map.of(), afterScope, before, limit);
            List<StoredKey> chosen = List.of();
            while (chosen.isEmpty() && !page.isEmpty()) {
                chosen = page.stream()
                        .filter(key -> operations.isEmpty()
                                || operations
                                        .getOrDefault(key.key().operation(), Set.of())
                                        .contains(key.key().recoveryPoint()))
                        .toList();
                page = store.findResumable(Map.of(), page.get(0).id().scope(), before, limit);
            }
            return chosen;
        });
    }

    static <T> KeyStore<T> resumesWhatWasTaken(KeyStore<T> right) {
        List<StoredKey> inserted = new ArrayList<>();
        return new ForwardingStore<>(right) {
            @Override
            public boolean insert(StoredKey key) {
                return right.insert(key) && inserted.add(key);
            }

            @Override
            public List<StoredKey> findResumable(
                    Map<String, Set<RecoveryPoint>> operations,
                    @Nullable String afterScope,
                    Instant before,
                    int limit) {
                return inserted.stream()
                        .filter(key -> key.key().state() instanceof KeyState.Open open
                                && open.resumableFrom().isBefore(before))
                        .limit(limit)
                        .toList();
            }
        };
    }

    static <T> KeyStore<T> mixesScopes(KeyStore<T> right) {
        return resuming(right, (store, operations, afterScope, before, limit) -> {
            List<StoredKey> first = store.findResumable(operations, afterScope, before, limit);
            List<StoredKey> second = first.isEmpty()
                    ? first
                    : store.findResumable(operations, first.get(0).id().scope(), before, limit);
            return Stream.concat(first.stream(), second.stream()).limit(limit).toList();
        });
    }

    static <T> KeyStore<T> staysInAScope(KeyStore<T> right) {
        return resuming(
                right,
                (store, operations, afterScope, before, limit) -> store.findResumable(operations, null, before, limit));
    }

    // Quarantined

    /** What is asked of a store that lists the quarantined or the unfinished keys. */
    private interface Listing<T> {
        List<StoredKey> find(
                KeyStore<T> right, @Nullable String scope, @Nullable KeyId after, Instant since, int limit);
    }

    private static <T> KeyStore<T> quarantined(KeyStore<T> right, Listing<T> wrong) {
        return new ForwardingStore<>(right) {
            @Override
            public List<StoredKey> findQuarantined(
                    @Nullable String scope, @Nullable KeyId after, Instant since, int limit) {
                return wrong.find(right, scope, after, since, limit);
            }
        };
    }

    static <T> KeyStore<T> staysOnAPage(KeyStore<T> right) {
        return quarantined(
                right, (store, scope, after, since, limit) -> store.findQuarantined(scope, null, since, limit));
    }

    static <T> KeyStore<T> listsWithoutLimit(KeyStore<T> right) {
        return quarantined(
                right, (store, scope, after, since, limit) -> store.findQuarantined(scope, after, since, ALL));
    }

    static <T> KeyStore<T> listsByValue(KeyStore<T> right) {
        return quarantined(
                right,
                (store, scope, after, since, limit) -> store.findQuarantined(scope, after, since, ALL).stream()
                        .sorted(Comparator.comparing(key -> key.id().value()))
                        .limit(limit)
                        .toList());
    }

    // Unfinished

    private static <T> KeyStore<T> unfinished(KeyStore<T> right, Listing<T> wrong) {
        return new ForwardingStore<>(right) {
            @Override
            public List<StoredKey> findUnfinished(
                    @Nullable String scope, @Nullable KeyId after, Instant since, int limit) {
                return wrong.find(right, scope, after, since, limit);
            }
        };
    }

    static <T> KeyStore<T> listsTheUnfinishedScopeByScope(KeyStore<T> right) {
        return unfinished(
                right,
                (store, scope, after, since, limit) -> store.findUnfinished(scope, after, since, ALL).stream()
                        .sorted(Comparator.comparing(key -> key.id().scope()))
                        .limit(limit)
                        .toList());
    }

    static <T> KeyStore<T> passesOverTheRestOfAnInstant(KeyStore<T> right) {
        return unfinished(
                right,
                (store, scope, after, since, limit) ->
                        store.findUnfinished(scope, after == null ? null : new KeyId(LAST, LAST), since, limit));
    }

    static <T> KeyStore<T> listsOneScopeOfTheUnfinished(KeyStore<T> right) {
        return unfinished(
                right,
                (store, scope, after, since, limit) -> store.findUnfinished(scope, after, since, limit).stream()
                        .filter(key -> after == null || key.id().scope().equals(after.scope()))
                        .toList());
    }

    static <T> KeyStore<T> listsTheUnfinishedOfEveryScope(KeyStore<T> right) {
        return unfinished(
                right, (store, scope, after, since, limit) -> store.findUnfinished(null, after, since, limit));
    }

    static <T> KeyStore<T> listsTheOpenAsTheUnfinished(KeyStore<T> right) {
        return unfinished(
                right,
                (store, scope, after, since, limit) -> store.findUnfinished(scope, after, since, limit).stream()
                        .filter(key -> key.key().state() instanceof KeyState.Open)
                        .toList());
    }

    // Counted

    static <T> KeyStore<T> countsTheRestingByOperation(KeyStore<T> right) {
        return new ForwardingStore<>(right) {
            @Override
            public List<Backlog.OfOperation> countByOperation(Instant before, int most) {
                return right.countByOperation(before.plusSeconds(1_000), most);
            }
        };
    }

    static <T> KeyStore<T> countsByOperationWithoutLimit(KeyStore<T> right) {
        return new ForwardingStore<>(right) {
            @Override
            public List<Backlog.OfOperation> countByOperation(Instant before, int most) {
                return right.countByOperation(before, ALL);
            }
        };
    }

    static <T> KeyStore<T> countsTheYoungestByOperation(KeyStore<T> right) {
        return new ForwardingStore<>(right) {
            @Override
            public List<Backlog.OfOperation> countByOperation(Instant before, int most) {
                Stream<Backlog.OfOperation> waiting = right.findUnfinished(null, null, before, ALL).stream()
                        .filter(key -> due(key).isBefore(before))
                        .sorted(Comparator.comparing(WrongListings::due).reversed())
                        .limit(most)
                        .map(key -> new Backlog.OfOperation(
                                key.key().operation(), 1, Optional.of(due(key)), 0, Optional.empty()));
                Stream<Backlog.OfOperation> quarantined =
                        right.countByOperation(before, most).stream().filter(each -> each.quarantined() > 0);
                return Stream.concat(waiting, quarantined).toList();
            }
        };
    }

    private static Instant due(StoredKey key) {
        return key.key().state() instanceof KeyState.Open open
                ? open.resumableFrom()
                : ((KeyState.Locked) key.key().state()).leaseEnds();
    }

    static <T> KeyStore<T> countsTheWaitingOfOperationsOnly(KeyStore<T> right) {
        return new ForwardingStore<>(right) {
            @Override
            public List<Backlog.OfOperation> countByOperation(Instant before, int most) {
                return right.countByOperation(before, most).stream()
                        .filter(each -> each.waiting() > 0)
                        .toList();
            }
        };
    }

    static <T> KeyStore<T> countsTheHeld(KeyStore<T> right) {
        return new ForwardingStore<>(right) {
            @Override
            public Backlog backlog(Instant before) {
                Backlog counted = right.backlog(before.plusMillis(1));
                return new Backlog(before, counted.waiting(), counted.waitingSince(), counted.quarantined());
            }
        };
    }

    static <T> KeyStore<T> countsOneScope(KeyStore<T> right) {
        return new ForwardingStore<>(right) {
            @Override
            public Backlog backlog(Instant before) {
                Backlog counted = right.backlog(before);
                int waiting = right.findResumable(Map.of(), null, before, ALL).size();
                return new Backlog(before, waiting, counted.waitingSince(), counted.quarantined());
            }
        };
    }

    static <T> KeyStore<T> countsNoQuarantined(KeyStore<T> right) {
        return new ForwardingStore<>(right) {
            @Override
            public Backlog backlog(Instant before) {
                Backlog counted = right.backlog(before);
                return new Backlog(before, counted.waiting(), counted.waitingSince(), 0);
            }
        };
    }

    static <T> KeyStore<T> datesTheBacklogLate(KeyStore<T> right) {
        return new ForwardingStore<>(right) {
            @Override
            public Backlog backlog(Instant before) {
                Backlog counted = right.backlog(before);
                return new Backlog(
                        before,
                        counted.waiting(),
                        right.findResumable(Map.of(), null, before, 1).stream()
                                .map(WrongListings::due)
                                .findFirst(),
                        counted.quarantined());
            }
        };
    }
}
