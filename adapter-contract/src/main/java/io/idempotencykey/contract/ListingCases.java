package io.idempotencykey.contract;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import io.idempotencykey.Backlog;
import io.idempotencykey.Fingerprint;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.service.OperatorActions;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** The store's listings and its deletion, each with rows that it must leave alone. */
interface ListingCases<T> extends StoreFixture<T> {
    @Test
    default void onlyKeysThatNobodyWorksOnAreResumable() {
        World<T> world = World.emptyOf(this);
        Instant before = World.START;
        StoredKey open = insert(world, "open", new KeyState.Open(World.TAXED, before.minusMillis(2)));
        StoredKey leaseOver = insert(
                world, "lease over", new KeyState.Locked(World.TAXED, before.minusMillis(9), before.minusMillis(1)));
        insert(world, "open at the instant", new KeyState.Open(World.TAXED, before));
        insert(world, "lease ends at the instant", new KeyState.Locked(World.TAXED, before.minusMillis(9), before));
        insert(world, "held", new KeyState.Locked(World.TAXED, before.minusMillis(9), before.plusMillis(9)));
        insert(world, "finished", new KeyState.Finished(World.RESPONSE, Instant.EPOCH, before.plusMillis(9)));
        insert(world, "expired", new KeyState.Finished(World.RESPONSE, Instant.EPOCH, Instant.EPOCH));
        insert(world, "failed", new KeyState.Failed(before.plusMillis(9)));
        insert(world, "failed and expired", new KeyState.Failed(Instant.EPOCH));
        insert(world, "quarantined", new KeyState.Quarantined(World.TAXED, Instant.EPOCH, "reason"));

        assertThat(store().findResumable(Map.of(), null, before, 10)).containsExactly(open, leaseOver);
    }

    @Test
    default void theLongestWaitingAreResumedFirstAndNoMoreThanTheLimit() {
        World<T> world = World.emptyOf(this);
        Instant at = World.START.minusSeconds(1);
        StoredKey third = insert(world, "a", new KeyState.Open(World.TAXED, at.plusMillis(3)));
        StoredKey first = insert(world, "b", new KeyState.Locked(World.TAXED, at, at.plusMillis(1)));
        StoredKey second = insert(world, "c", new KeyState.Open(World.TAXED, at.plusMillis(2)));

        assertThat(store().findResumable(Map.of(), null, World.START, 3)).containsExactly(first, second, third);
        assertThat(store().findResumable(Map.of(), null, World.START, 2)).containsExactly(first, second);
        assertThat(store().findResumable(Map.of(), null, World.START, 1)).containsExactly(first);
    }

    @Test
    default void aKeyThatIsNoLongerResumableIsNotFound() {
        World<T> world = World.emptyOf(this);
        StoredKey open = insert(world, "a", new KeyState.Open(World.TAXED, Instant.EPOCH));
        StoredKey taken = world.with(open, new KeyState.Locked(World.TAXED, World.START, World.START.plusMillis(1)));
        assertThat(store().replace(open.revision(), taken)).isTrue();

        assertThat(store().findResumable(Map.of(), null, World.START, 10)).isEmpty();
        assertThat(store().findResumable(Map.of(), null, World.START.plusMillis(2), 10))
                .containsExactly(taken);
    }

    @Test
    default void resumableKeysAreFoundScopeByScope() {
        World<T> world = World.emptyOf(this);
        List<StoredKey> keys = new ArrayList<>();
        // By their characters: '-' before 'A' before '_' before 'a', whatever a store's collation says.
        for (String scope : List.of("-", "A", "B", "_", "a", "aa", "b")) {
            keys.add(insert(new KeyId(scope, "v"), World.NAME, new KeyState.Open(World.TAXED, Instant.EPOCH)));
        }
        insert(new KeyId("C", "v"), World.NAME, new KeyState.Open(World.TAXED, World.START));
        StoredKey unscoped =
                insert(KeyId.of("v"), World.NAME, new KeyState.Open(World.TAXED, World.START.minusMillis(1)));

        List<StoredKey> found = new ArrayList<>();
        Optional<String> after = Optional.empty();
        keys.add(0, unscoped);
        while (found.size() <= keys.size()) {
            List<StoredKey> next = store().findResumable(Map.of(), after.orElse(null), World.START, 10);
            if (next.isEmpty()) {
                break;
            }
            assertThat(next).hasSize(1);
            found.addAll(next);
            after = Optional.of(next.get(0).id().scope());
        }

        assertThat(found).isEqualTo(keys);
        assertThat(world.find()).isEmpty();
    }

    @Test
    default void resumableKeysAreFoundByOperationAndPoint() {
        World<T> world = World.emptyOf(this);
        KeyState taxed = new KeyState.Open(World.TAXED, Instant.EPOCH);
        KeyState paid = new KeyState.Locked(World.PAID, Instant.EPOCH, Instant.EPOCH.plusMillis(1));
        StoredKey known = insert(world.id("1"), World.NAME, taxed);
        StoredKey alsoKnown = insert(world.id("2"), "cancel-cart", paid);
        insert(world.id("3"), World.NAME, paid);
        insert(world.id("4"), "cancel-cart", taxed);
        insert(world.id("5"), "complete-cart2", taxed);
        insert(world.id("6"), "COMPLETE-CART", taxed);
        insert(world.id("7"), World.NAME, new KeyState.Open(RecoveryPoint.named("Tax_lines_created"), Instant.EPOCH));
        insert(world.id("8"), "", taxed);
        insert(new KeyId("!", "first"), "unknown", taxed);

        Map<String, Set<RecoveryPoint>> operations = Map.of(
                World.NAME,
                Set.of(World.TAXED, RecoveryPoint.named("of_a_newer_version")),
                "cancel-cart",
                Set.of(World.PAID));
        assertThat(store().findResumable(operations, null, World.START, 10)).containsExactly(known, alsoKnown);
        // The limit is on what is found, and not on what is looked at.
        assertThat(store().findResumable(operations, null, World.START, 2)).containsExactly(known, alsoKnown);
        assertThat(store().findResumable(operations, null, World.START, 1)).containsExactly(known);
    }

    @Test
    default void unfinishedKeysAreFoundTheLongestWaitingFirst() {
        World<T> world = World.emptyOf(this);
        List<StoredKey> keys = inPlaces((id, due, number) -> insert(
                id,
                World.NAME,
                number % 2 == 0
                        ? new KeyState.Open(World.TAXED, due)
                        : new KeyState.Locked(World.TAXED, due.minusMillis(9), due)));
        insert(world, "finished", new KeyState.Finished(World.RESPONSE, Instant.EPOCH, World.START));
        insert(world, "failed", new KeyState.Failed(World.START));
        insert(world, "aside", new KeyState.Quarantined(World.TAXED, World.START, "reason"));

        checkListing(keys, ListingCases::due, store()::findUnfinished);
    }

    @Test
    default void quarantinedKeysAreFoundTheLongestWaitingFirst() {
        World<T> world = World.emptyOf(this);
        List<StoredKey> keys = inPlaces(
                (id, since, number) -> insert(id, World.NAME, new KeyState.Quarantined(World.TAXED, since, "reason")));
        insert(world, "open", new KeyState.Open(World.TAXED, World.START));
        insert(world, "held", new KeyState.Locked(World.TAXED, World.START, World.START));
        insert(world, "finished", new KeyState.Finished(World.RESPONSE, World.START, World.START));
        insert(world, "failed", new KeyState.Failed(World.START));

        checkListing(keys, key -> ((KeyState.Quarantined) key.key().state()).since(), store()::findQuarantined);
    }

    @Test
    default void theShortestAndTheLongestScopesHaveListsOfTheirOwn() {
        World<T> world = World.emptyOf(this);
        String longest = "~".repeat(KeyId.MAX_LENGTH);
        List<String> scopes = List.of("", "!", "!!", "!".repeat(KeyId.MAX_LENGTH), "A", "A!", "AA", longest);
        for (String scope : scopes) {
            for (String value : List.of("!", "v", longest)) {
                insert(
                        new KeyId(scope, value),
                        World.NAME,
                        new KeyState.Quarantined(World.TAXED, Instant.EPOCH, "reason"));
            }
            insert(new KeyId(scope, "w"), World.NAME, new KeyState.Open(World.TAXED, Instant.EPOCH.plusMillis(1)));
            insert(new KeyId(scope, "x"), World.NAME, new KeyState.Open(World.TAXED, Instant.EPOCH));
        }
        OperatorActions actions = new OperatorActions(world.service);

        for (String scope : scopes) {
            assertThat(actions.listQuarantined(scope, null, null, 10))
                    .as("scope '%s'", scope)
                    .extracting(key -> key.id().value())
                    .containsExactly("!", "v", longest);
            assertThat(actions.listQuarantined(scope, new KeyId(scope, "!"), Instant.EPOCH, 1))
                    .extracting(IdempotencyKey::id)
                    .containsExactly(new KeyId(scope, "v"));
            assertThat(actions.listQuarantined(scope, new KeyId(scope, longest), Instant.EPOCH, 10))
                    .isEmpty();
            assertThat(actions.listUnfinished(scope, null, null, 10))
                    .extracting(IdempotencyKey::id)
                    .containsExactly(new KeyId(scope, "x"), new KeyId(scope, "w"));
        }
        assertThat(actions.listUnfinished("AB", null, null, 10)).isEmpty();
        assertThat(actions.listQuarantined(null, null, 100)).hasSize(3 * scopes.size());
    }

    /** Inserts a key that stands at an instant. */
    interface Placing {
        StoredKey insert(KeyId id, Instant at, int number);
    }

    /** A listing of the store's. */
    interface Listing {
        List<StoredKey> find(@Nullable String scope, @Nullable KeyId after, Instant since, int limit);
    }

    /** Keys in the order of a listing, which aren't inserted in that order. */
    private static List<StoredKey> inPlaces(Placing placing) {
        // Of an instant by their characters, whatever a store's collation says: '-' before 'A' before '_' before 'a'.
        List<String> places = List.of(
                "~|z|0", "|a|1", "|z|1", "-|v|1", "A|B|1", "A|_|1", "A|a|1", "AA|!|1", "_|B|1", "a|A|1", "a|a|1",
                "aa|-|1", "A|0|2", "|v|3");
        List<StoredKey> keys = new ArrayList<>();
        for (int number = places.size() - 1; number >= 0; number--) {
            String[] parts = places.get(number).split("\\|", 3);
            KeyId id = new KeyId(parts[0], parts[1]);
            keys.add(0, placing.insert(id, World.START.plusMillis(Integer.parseInt(parts[2])), number));
        }
        return keys;
    }

    private static void checkListing(List<StoredKey> keys, Function<StoredKey, Instant> instant, Listing listing) {
        checkPages(keys, null, instant, listing);
        for (String scope : List.of("", "A", "AA", "a", "~", "B")) {
            List<StoredKey> ofScope =
                    keys.stream().filter(key -> key.id().scope().equals(scope)).toList();
            checkPages(ofScope, scope, instant, listing);
        }
        // The key to go on after may be gone, or be elsewhere by now.
        assertThat(listing.find(null, new KeyId("A", "^"), World.START.plusMillis(1), 2))
                .isEqualTo(keys.subList(5, 7));
        assertThat(listing.find(null, new KeyId("~", "~"), World.START, 2)).isEqualTo(keys.subList(1, 3));
        assertThat(listing.find("A", new KeyId("A", "^"), World.START.plusMillis(1), 3))
                .containsExactly(keys.get(5), keys.get(6), keys.get(12));
        assertThat(listing.find("A", new KeyId("A", "~"), World.START, 1)).containsExactly(keys.get(4));
        // The first and the last instant that core lets through.
        assertThat(listing.find(null, new KeyId("~", "~"), Instant.parse("0001-01-01T00:00:00Z"), 1))
                .containsExactly(keys.get(0));
        assertThat(listing.find(null, new KeyId("", "a"), Instant.parse("9999-12-31T23:59:59.999Z"), 1))
                .isEmpty();
    }

    private static void checkPages(
            List<StoredKey> keys, @Nullable String scope, Function<StoredKey, Instant> instant, Listing listing) {
        for (int limit : List.of(1, 2, 3, keys.size() + 1)) {
            List<StoredKey> found = new ArrayList<>();
            List<StoredKey> page = listing.find(scope, null, Instant.EPOCH, limit);
            while (!page.isEmpty() && found.size() <= keys.size()) {
                assertThat(page).hasSizeLessThanOrEqualTo(limit);
                found.addAll(page);
                StoredKey last = page.get(page.size() - 1);
                page = listing.find(scope, last.id(), instant.apply(last), limit);
            }
            assertThat(found).as("of scope %s in pages of %s", scope, limit).isEqualTo(keys);
        }
    }

    private static Instant due(StoredKey key) {
        return key.key().state() instanceof KeyState.Open open
                ? open.resumableFrom()
                : ((KeyState.Locked) key.key().state()).leaseEnds();
    }

    @Test
    default void theBacklogIsCountedOperationByOperation() {
        World<T> world = World.emptyOf(this);
        Instant now = World.START;
        KeyState aside = new KeyState.Quarantined(World.TAXED, now.minusSeconds(2), "reason");
        insert(world.id("1"), "pay", new KeyState.Open(World.TAXED, now.minusSeconds(5)));
        insert(new KeyId("~", "2"), "pay", new KeyState.Locked(World.TAXED, Instant.EPOCH, now.minusSeconds(7)));
        insert(world.id("3"), "pay", aside);
        insert(world.id("4"), "", new KeyState.Open(World.TAXED, now.minusSeconds(3)));
        insert(world.id("5"), "PAY", aside);
        insert(new KeyId("~", "6"), "PAY", new KeyState.Quarantined(World.TAXED, now.minusSeconds(4), "reason"));
        insert(world.id("7"), "rest", new KeyState.Open(World.TAXED, now.plusSeconds(900)));
        insert(world.id("8"), "held", new KeyState.Locked(World.TAXED, now, now.plusSeconds(900)));
        insert(world.id("9"), "done", new KeyState.Finished(World.RESPONSE, Instant.EPOCH, now.plusSeconds(900)));
        insert(world.id("10"), "failed", new KeyState.Failed(Instant.EPOCH));

        List<Backlog.OfOperation> counted = store().countByOperation(now, 100);
        List<Backlog.OfOperation> some = store().countByOperation(now, 2);
        List<Backlog.OfOperation> oldest = store().countByOperation(now, 1);

        assertThat(counted)
                .filteredOn(each -> each.waiting() > 0)
                .extracting(Backlog.OfOperation::operation, each -> each.waiting(), each -> each.waitingSince())
                .containsExactlyInAnyOrder(
                        tuple("", 1L, Optional.of(now.minusSeconds(3))),
                        tuple("pay", 2L, Optional.of(now.minusSeconds(7))));
        assertThat(counted)
                .filteredOn(each -> each.quarantined() > 0)
                .extracting(Backlog.OfOperation::operation, each -> each.quarantined(), each -> each.quarantinedSince())
                .containsExactlyInAnyOrder(
                        tuple("pay", 1L, Optional.of(now.minusSeconds(2))),
                        tuple("PAY", 2L, Optional.of(now.minusSeconds(4))));
        assertThat(counted).allMatch(each -> each.waiting() + each.quarantined() > 0);
        assertThat(some.stream().mapToLong(Backlog.OfOperation::waiting).sum()).isEqualTo(2);
        assertThat(some.stream().mapToLong(Backlog.OfOperation::quarantined).sum())
                .isEqualTo(2);
        assertThat(oldest)
                .extracting(
                        Backlog.OfOperation::operation, each -> each.waitingSince(), each -> each.quarantinedSince())
                .containsExactlyInAnyOrder(
                        tuple("pay", Optional.of(now.minusSeconds(7)), Optional.empty()),
                        tuple("PAY", Optional.empty(), Optional.of(now.minusSeconds(4))));
    }

    @Test
    default void anEmptyStoreHasNoBacklog() {
        World<T> world = World.emptyOf(this);

        assertThat(store().backlog(World.START)).isEqualTo(new Backlog(World.START, 0, Optional.empty(), 0));
        assertThat(world.find()).isEmpty();
    }

    @Test
    default void theBacklogIsWhatNobodyWorksOnInAllScopes() {
        World<T> world = World.emptyOf(this);
        Instant before = World.START;
        insert(new KeyId("a", "v"), World.NAME, new KeyState.Open(World.TAXED, before.minusMillis(2)));
        insert(
                new KeyId("b", "v"),
                "of-another-version",
                new KeyState.Locked(World.TAXED, before.minusMillis(9), before.minusMillis(3)));
        // The longest waiting is in neither the first nor the last scope.
        insert(KeyId.of("v"), World.NAME, new KeyState.Open(World.TAXED, before.minusMillis(1)));
        insert(new KeyId("~", "v"), World.NAME, new KeyState.Open(World.TAXED, before.minusMillis(1)));
        insert(world, "open at the instant", new KeyState.Open(World.TAXED, before));
        insert(new KeyId("c", "v"), World.NAME, new KeyState.Open(World.TAXED, before));
        insert(world, "resting", new KeyState.Open(World.TAXED, before.plusSeconds(900)));
        insert(world, "lease ends at the instant", new KeyState.Locked(World.TAXED, before.minusMillis(9), before));
        insert(world, "held", new KeyState.Locked(World.TAXED, before.minusMillis(9), before.plusMillis(9)));
        insert(world, "finished", new KeyState.Finished(World.RESPONSE, Instant.EPOCH, before.plusMillis(9)));
        insert(world, "expired", new KeyState.Finished(World.RESPONSE, Instant.EPOCH, Instant.EPOCH));
        insert(world, "failed", new KeyState.Failed(Instant.EPOCH));
        insert(world, "quarantined", new KeyState.Quarantined(World.TAXED, Instant.EPOCH, "reason"));
        insert(new KeyId("a", "w"), "", new KeyState.Quarantined(World.TAXED, Instant.EPOCH, "reason"));

        Backlog backlog = store().backlog(before);

        assertThat(backlog).isEqualTo(new Backlog(before, 4, Optional.of(before.minusMillis(3)), 2));
        assertThat(backlog.longestWait()).hasMillis(3);
        assertThat(store().backlog(before.minusMillis(3)))
                .isEqualTo(new Backlog(before.minusMillis(3), 0, Optional.empty(), 2));
    }

    @Test
    default void whatAnOperatorEndsLeavesTheBacklog() {
        World<T> world = World.emptyOf(this);
        OperatorActions actions = new OperatorActions(world.service);
        insert(world, "open", new KeyState.Open(World.TAXED, Instant.EPOCH));
        insert(world, "aside", new KeyState.Quarantined(World.TAXED, Instant.EPOCH, "reason"));
        insert(world, "also aside", new KeyState.Quarantined(World.TAXED, Instant.EPOCH, "reason"));
        assertThat(actions.backlog().waiting()).isEqualTo(1);
        assertThat(actions.backlog().quarantined()).isEqualTo(2);

        actions.finish(seen(world, "open"), World.RESPONSE, "alice");
        assertThat(actions.backlog().waiting()).isZero();
        assertThat(actions.backlog().waitingSince()).isEmpty();

        actions.discard(seen(world, "aside"), "alice");
        assertThat(actions.backlog().quarantined()).isEqualTo(1);

        actions.retry(seen(world, "also-aside"), "alice");
        assertThat(actions.backlog().quarantined()).isZero();
    }

    @Test
    default void onlyFinishedAndFailedKeysPastTheirExpiryAreDeleted() {
        World<T> world = World.emptyOf(this);
        Instant at = World.START;
        insert(world, "expired", new KeyState.Finished(World.RESPONSE, Instant.EPOCH, at.minusMillis(1)));
        insert(world, "expires at the instant", new KeyState.Finished(World.RESPONSE, Instant.EPOCH, at));
        insert(world, "failed and expired", new KeyState.Failed(at.minusMillis(2)));
        insert(world, "failed and expires at the instant", new KeyState.Failed(at));
        List<StoredKey> kept = List.of(
                insert(world, "failed", new KeyState.Failed(at.plusMillis(1))),
                insert(world, "later", new KeyState.Finished(World.RESPONSE, Instant.EPOCH, at.plusMillis(1))),
                insert(world, "open", new KeyState.Open(World.TAXED, Instant.EPOCH)),
                insert(world, "lease over", new KeyState.Locked(World.TAXED, Instant.EPOCH, Instant.EPOCH)),
                insert(world, "quarantined", new KeyState.Quarantined(World.TAXED, Instant.EPOCH, "reason")));

        assertThat(store().deleteExpired(at, 10)).isEqualTo(4);

        assertThat(store().find(world.id("failed-and-expired"))).isEmpty();
        assertThat(store().find(world.id("failed-and-expires-at-the-instant"))).isEmpty();
        assertThat(store().find(world.id("expired"))).isEmpty();
        assertThat(store().find(world.id("expires-at-the-instant"))).isEmpty();
        assertThat(kept).allSatisfy(key -> assertThat(store().find(key.id())).contains(key));
        assertThat(store().deleteExpired(at, 10)).isZero();
    }

    @Test
    default void noMoreThanTheLimitAreDeleted() {
        World<T> world = World.emptyOf(this);
        for (int i = 0; i < 5; i++) {
            insert(world, "key " + i, new KeyState.Finished(World.RESPONSE, Instant.EPOCH, Instant.EPOCH));
        }

        assertThat(store().deleteExpired(World.START, 2)).isEqualTo(2);
        assertThat(store().deleteExpired(World.START, 2)).isEqualTo(2);
        assertThat(store().deleteExpired(World.START, 2)).isEqualTo(1);
        assertThat(store().deleteExpired(World.START, 2)).isZero();
    }

    @Test
    default void anExpiredKeyThatWasCreatedAnewIsNotDeleted() {
        World<T> world = World.emptyOf(this);
        StoredKey expired = insert(world, "key", new KeyState.Finished(World.RESPONSE, Instant.EPOCH, Instant.EPOCH));
        StoredKey anew =
                world.with(expired, new KeyState.Finished(World.RESPONSE, World.START, World.START.plusMillis(1)));
        store().replace(expired.revision(), anew);

        assertThat(store().deleteExpired(World.START, 10)).isZero();

        assertThat(store().find(expired.id())).contains(anew);
    }

    private static <T> IdempotencyKey seen(World<T> world, String value) {
        return world.service.retrieve(world.id(value));
    }

    private StoredKey insert(World<T> world, String value, KeyState state) {
        return insert(world.id(value.replace(' ', '-')), World.NAME, state);
    }

    private StoredKey insert(KeyId id, String operation, KeyState state) {
        StoredKey key = Samples.stored(
                id, operation, World.REQUEST, Fingerprint.of(operation, World.REQUEST), Instant.EPOCH, state);
        assertThat(store().insert(key)).isTrue();
        return key;
    }
}
