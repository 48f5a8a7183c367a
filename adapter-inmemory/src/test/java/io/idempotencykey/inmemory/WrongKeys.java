package io.idempotencykey.inmemory;

import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyCreation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyProgress;
import io.idempotencykey.KeyState;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.port.KeyStore;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StoredKey;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BiPredicate;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** Stores that are wrong about single keys, time and isolation. */
final class WrongKeys {
    private WrongKeys() {}

    // Written

    static <T> KeyStore<T> replacesBlindly(KeyStore<T> right) {
        return replacingIf(right, (stored, expected) -> true);
    }

    static <T> KeyStore<T> comparesHalfRevisions(KeyStore<T> right) {
        return replacingIf(
                right,
                (stored, expected) -> stored.value().getMostSignificantBits()
                        == expected.value().getMostSignificantBits());
    }

    /** As from a copy that lags behind what others write. */
    static <T> KeyStore<T> looksAtACopyFirst(KeyStore<T> right) {
        return new ForwardingStore<>(right) {
            private final ThreadLocal<Map<KeyId, Optional<StoredKey>>> copies = ThreadLocal.withInitial(HashMap::new);

            @Override
            public Optional<StoredKey> find(KeyId id) {
                Optional<StoredKey> current = right.find(id);
                Optional<StoredKey> copy = copies.get().put(id, current);
                return copy == null ? current : copy;
            }

            @Override
            public boolean replace(Revision expected, StoredKey next) {
                copies.get().remove(next.id());
                return right.replace(expected, next);
            }
        };
    }

    private static <T> KeyStore<T> replacingIf(KeyStore<T> right, BiPredicate<Revision, Revision> equal) {
        return new ForwardingStore<>(right) {
            @Override
            public boolean replace(Revision expected, StoredKey next) {
                return right.find(next.id())
                        .filter(stored -> equal.test(stored.revision(), expected))
                        .filter(stored -> right.replace(stored.revision(), next))
                        .isPresent();
            }
        };
    }

    static <T> KeyStore<T> keepsTheRevision(KeyStore<T> right) {
        return new ForwardingStore<>(right) {
            @Override
            public boolean replace(Revision expected, StoredKey next) {
                return right.replace(expected, new StoredKey(next.key(), expected));
            }
        };
    }

    static <T> KeyStore<T> replacesTheAbsent(KeyStore<T> right) {
        return new ForwardingStore<>(right) {
            @Override
            public boolean replace(Revision expected, StoredKey next) {
                return right.replace(expected, next) || right.insert(next);
            }
        };
    }

    static <T> KeyStore<T> comparesBeforeItReplaces(KeyStore<T> right) {
        CountDownLatch twoHaveCompared = new CountDownLatch(2);
        return new ForwardingStore<>(right) {
            @Override
            public boolean replace(Revision expected, StoredKey next) {
                boolean matches = right.find(next.id())
                        .filter(stored -> stored.revision().equals(expected))
                        .isPresent();
                if (matches) {
                    meet(twoHaveCompared);
                    overwrite(right, next);
                }
                return matches;
            }
        };
    }

    static <T> KeyStore<T> insertsOver(KeyStore<T> right) {
        return new ForwardingStore<>(right) {
            @Override
            public boolean insert(StoredKey key) {
                boolean absent = right.find(key.id()).isEmpty();
                overwrite(right, key);
                return absent;
            }
        };
    }

    static <T> KeyStore<T> insertsOverTheExpired(KeyStore<T> right) {
        return new ForwardingStore<>(right) {
            @Override
            public boolean insert(StoredKey key) {
                return right.insert(key)
                        || right.find(key.id())
                                .filter(stored -> isExpired(stored, right.time()))
                                .filter(stored -> right.replace(stored.revision(), key))
                                .isPresent();
            }
        };
    }

    private static boolean isExpired(StoredKey key, Instant now) {
        return key.key().state() instanceof KeyState.Finished finished
                && finished.expiresAt().isBefore(now);
    }

    static <T> KeyStore<T> saysThatItInserted(KeyStore<T> right) {
        return new ForwardingStore<>(right) {
            @Override
            public boolean insert(StoredKey key) {
                return right.insert(key) || right.find(key.id()).isPresent();
            }
        };
    }

    static <T> KeyStore<T> looksBeforeItInserts(KeyStore<T> right) {
        CountDownLatch twoHaveLooked = new CountDownLatch(2);
        return new ForwardingStore<>(right) {
            @Override
            public boolean insert(StoredKey key) {
                boolean absent = right.find(key.id()).isEmpty();
                if (absent) {
                    meet(twoHaveLooked);
                    overwrite(right, key);
                }
                return absent;
            }
        };
    }

    static <T> KeyStore<T> givesTheKeyThatItWasToInsert(KeyStore<T> right) {
        return new ForwardingStore<>(right) {
            @Override
            public Optional<StoredKey> insertOrFind(StoredKey key) {
                boolean unused = right.insert(key);
                return Optional.of(key);
            }
        };
    }

    static <T> KeyStore<T> findsNothingWhereItInsertsNothing(KeyStore<T> right) {
        return new ForwardingStore<>(right) {
            @Override
            public Optional<StoredKey> insertOrFind(StoredKey key) {
                return right.insert(key) ? Optional.of(key) : Optional.empty();
            }
        };
    }

    static <T> KeyStore<T> findsWithoutInserting(KeyStore<T> right) {
        return new ForwardingStore<>(right) {
            @Override
            public Optional<StoredKey> insertOrFind(StoredKey key) {
                return right.find(key.id());
            }
        };
    }

    static <T> KeyStore<T> doesNotFindTheKeyThatItInserted(KeyStore<T> right) {
        return new ForwardingStore<>(right) {
            @Override
            public Optional<StoredKey> insertOrFind(StoredKey key) {
                return right.insert(key)
                        ? Optional.of(key)
                        : right.find(key.id())
                                .filter(stored -> !stored.revision().equals(key.revision()));
            }
        };
    }

    /** Lets a second thread come as far as the first. */
    private static void meet(CountDownLatch two) {
        two.countDown();
        try {
            if (!two.await(20, TimeUnit.SECONDS)) {
                throw new IllegalStateException("no second thread came");
            }
        } catch (InterruptedException e) {
            throw new IllegalStateException("the test was interrupted", e);
        }
    }

    /** Stores a key whatever is there. */
    static <T> void overwrite(KeyStore<T> right, StoredKey key) {
        while (!right.insert(key)) {
            Optional<StoredKey> stored = right.find(key.id());
            if (stored.isPresent() && right.replace(stored.get().revision(), key)) {
                return;
            }
        }
    }

    // Told apart

    static <T> KeyStore<T> ignoresCase(KeyStore<T> right) {
        return knownBy(right, id -> List.of(id.scope(), id.value().toLowerCase(Locale.ROOT)));
    }

    static <T> KeyStore<T> ignoresTheScope(KeyStore<T> right) {
        return knownBy(right, KeyId::value);
    }

    static <T> KeyStore<T> joinsScopeAndValue(KeyStore<T> right) {
        return knownBy(right, id -> id.scope() + "/" + id.value());
    }

    static <T> KeyStore<T> cutsValues(KeyStore<T> right) {
        return knownBy(
                right,
                id -> List.of(
                        id.scope(), id.value().substring(0, Math.min(id.value().length(), 254))));
    }

    private static <T> KeyStore<T> knownBy(KeyStore<T> right, Function<KeyId, Object> name) {
        Map<Object, KeyId> first = new ConcurrentHashMap<>();
        return new ForwardingStore<>(right) {
            @Override
            public boolean insert(StoredKey key) {
                KeyId known = first.computeIfAbsent(name.apply(key.id()), unused -> key.id());
                return known.equals(key.id()) && right.insert(key);
            }

            @Override
            public Optional<StoredKey> find(KeyId id) {
                return right.find(first.getOrDefault(name.apply(id), id));
            }
        };
    }

    // Found

    static <T> KeyStore<T> missesTheExpired(KeyStore<T> right) {
        return new ForwardingStore<>(right) {
            @Override
            public Optional<StoredKey> find(KeyId id) {
                return right.find(id).filter(key -> !isExpired(key, right.time()));
            }
        };
    }

    static <T> KeyStore<T> remembersTheFinished(KeyStore<T> right) {
        Map<KeyId, StoredKey> remembered = new ConcurrentHashMap<>();
        return new ForwardingStore<>(right) {
            @Override
            public Optional<StoredKey> find(KeyId id) {
                Optional<StoredKey> found =
                        Optional.ofNullable(remembered.get(id)).or(() -> right.find(id));
                found.filter(key -> key.key().state() instanceof KeyState.Finished)
                        .ifPresent(key -> remembered.put(id, key));
                return found;
            }
        };
    }

    static <T> KeyStore<T> cutsTimes(KeyStore<T> right) {
        return progressing(
                right,
                progress -> new KeyProgress(
                        progress.state(),
                        progress.attempts(),
                        progress.failedAttempts(),
                        progress.lastError(),
                        progress.updatedAt().truncatedTo(ChronoUnit.SECONDS)));
    }

    static <T> KeyStore<T> cutsErrors(KeyStore<T> right) {
        return progressing(
                right,
                progress -> new KeyProgress(
                        progress.state(),
                        progress.attempts(),
                        progress.failedAttempts(),
                        progress.lastError()
                                .substring(0, Math.min(progress.lastError().length(), 255)),
                        progress.updatedAt()));
    }

    static <T> KeyStore<T> cutsCounters(KeyStore<T> right) {
        return progressing(
                right,
                progress -> new KeyProgress(
                        progress.state(),
                        Math.min(progress.attempts(), Integer.MAX_VALUE),
                        progress.failedAttempts(),
                        progress.lastError(),
                        progress.updatedAt()));
    }

    static <T> KeyStore<T> decodesBodies(KeyStore<T> right) {
        return responding(
                right,
                response -> Response.restored(
                        response.status(),
                        response.headersJson(),
                        new String(response.body(), StandardCharsets.UTF_8).getBytes(StandardCharsets.UTF_8)));
    }

    static <T> KeyStore<T> mergesHeaders(KeyStore<T> right) {
        return responding(right, response -> {
            Response merged = Response.restored(response.status(), "{}", response.body());
            for (Map.Entry<String, List<String>> header : response.headers().entrySet()) {
                merged = merged.withHeader(header.getKey(), header.getValue().get(0));
            }
            return merged;
        });
    }

    static <T> KeyStore<T> roundsNumbers(KeyStore<T> right) {
        return asking(right, parameters -> {
            Map<String, @Nullable Object> rounded = new HashMap<>(parameters);
            rounded.replaceAll((name, value) -> value instanceof Number number && Double.isFinite(number.doubleValue())
                    ? number.doubleValue()
                    : value);
            return rounded;
        });
    }

    static <T> KeyStore<T> losesParameters(KeyStore<T> right) {
        return asking(right, parameters -> {
            Map<String, @Nullable Object> rest = new HashMap<>(parameters);
            rest.values().removeIf(value -> value == null);
            return rest;
        });
    }

    private static <T> KeyStore<T> progressing(KeyStore<T> right, UnaryOperator<KeyProgress> change) {
        return finding(right, key -> new IdempotencyKey(key.creation(), change.apply(key.progress())));
    }

    private static <T> KeyStore<T> responding(KeyStore<T> right, UnaryOperator<Response> change) {
        return progressing(
                right,
                progress -> progress.state() instanceof KeyState.Finished finished
                        ? new KeyProgress(
                                new KeyState.Finished(
                                        change.apply(finished.response()), finished.finishedAt(), finished.expiresAt()),
                                progress.attempts(),
                                progress.failedAttempts(),
                                progress.lastError(),
                                progress.updatedAt())
                        : progress);
    }

    private static <T> KeyStore<T> asking(KeyStore<T> right, UnaryOperator<Map<String, @Nullable Object>> change) {
        return finding(right, key -> {
            Request request = key.request();
            KeyCreation creation = key.creation();
            return new IdempotencyKey(
                    new KeyCreation(
                            creation.id(),
                            creation.creationId(),
                            creation.operation(),
                            Request.of(request.method(), request.path(), change.apply(request.parameters())),
                            creation.fingerprint(),
                            creation.createdAt()),
                    key.progress());
        });
    }

    private static <T> KeyStore<T> finding(KeyStore<T> right, UnaryOperator<IdempotencyKey> change) {
        return new ForwardingStore<>(right) {
            @Override
            public Optional<StoredKey> find(KeyId id) {
                return right.find(id).map(stored -> new StoredKey(change.apply(stored.key()), stored.revision()));
            }
        };
    }

    // Time and isolation

    static <T> KeyStore<T> goesBackInTime(KeyStore<T> right) {
        AtomicLong readings = new AtomicLong();
        return new ForwardingStore<>(right) {
            @Override
            public Instant time() {
                return right.time().minusSeconds(readings.incrementAndGet());
            }
        };
    }

    static <T> KeyStore<T> carriesTimeForADay(KeyStore<T> right) {
        return new ForwardingStore<>(right) {
            @Override
            public Duration timeHolds() {
                return Duration.ofDays(1);
            }
        };
    }

    static <T> KeyStore<T> hasNoIsolation(KeyStore<T> right) {
        return new ForwardingStore<>(right) {
            @Override
            public Set<Isolation> isolations() {
                return Set.of();
            }
        };
    }
}
