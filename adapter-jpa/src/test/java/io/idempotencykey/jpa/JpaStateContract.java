package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyCreation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyProgress;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import jakarta.persistence.EntityManager;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.function.BinaryOperator;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** What each write leaves of a key's columns: those of the state that it writes, and none of the state before. */
abstract class JpaStateContract extends JpaStoreFixture {
    private static final RecoveryPoint PAID = RecoveryPoint.named("paid");

    private static final List<KeyState> STATES = List.of(
            new KeyState.Open(PAID, AT.plusSeconds(1)),
            new KeyState.Locked(PAID, AT.plusSeconds(2), AT.plusSeconds(3)),
            new KeyState.Failed(AT.plusSeconds(4)),
            new KeyState.Finished(TestApplication.RESPONSE, AT.plusSeconds(5), AT.plusSeconds(6)),
            new KeyState.Quarantined(PAID, AT.plusSeconds(7), "by hand"));

    private static final List<String> COLUMNS = List.of(
            "locked_at",
            "finished_at",
            "due_at",
            "response_status",
            "response_headers",
            "response_body",
            "quarantined_at",
            "quarantine_reason");

    private static final Map<String, Set<String>> COLUMNS_OF = Map.of(
            "open", Set.of("due_at"),
            "locked", Set.of("locked_at", "due_at"),
            "failed", Set.of("due_at"),
            "finished", Set.of("finished_at", "due_at", "response_status", "response_headers", "response_body"),
            "quarantined", Set.of("quarantined_at", "quarantine_reason"));

    JpaStateContract(TestDatabase database) {
        super(database);
    }

    @Test
    void anInsertedKeyHasTheColumnsOfItsState() throws Exception {
        ownTransactions((store, columns) -> {
            for (KeyState state : STATES) {
                StoredKey key = key(sample("insert"), state);
                assertThat(store.insert(key)).isTrue();
                assertStored(store, columns, key, "insert");
            }
        });
    }

    @Test
    void aReplacedKeyHasTheColumnsOfItsNewStateOnly() throws Exception {
        ownTransactions((store, columns) -> assertChanges(store, columns, "replace", (former, next) -> {
            assertThat(store.replace(former.revision(), next)).isTrue();
            return next;
        }));
    }

    @Test
    void aStageLeavesTheColumnsOfTheNewStateOnly() throws Exception {
        ownTransactions(JpaStateContract::assertStages);
        springTransactions(JpaStateContract::assertStages);
    }

    private static void assertStages(JpaKeyStore store, Columns columns) {
        assertChanges(store, columns, "stage", (former, next) -> {
            assertThat(store.commitStage(former, Isolation.READ_COMMITTED, LEASE, em -> next.progress()))
                    .isEqualTo(StageCommit.committed());
            return former.with(next.progress());
        });
    }

    @Test
    void aSingleStageLeavesTheColumnsOfItsState() throws Exception {
        ownTransactions(JpaStateContract::assertSingles);
        springTransactions(JpaStateContract::assertSingles);
    }

    private static void assertSingles(JpaKeyStore store, Columns columns) {
        for (KeyState state : STATES) {
            for (KeyState taking : STATES) {
                assertStored(store, columns, single(store, key(sample("single"), taking), state), "single");
            }
        }
    }

    @Test
    void aSingleStageThatReplacesAKeyLeavesTheColumnsOfItsStateOnly() throws Exception {
        ownTransactions(JpaStateContract::assertReplacingSingles);
        springTransactions(JpaStateContract::assertReplacingSingles);
    }

    private static void assertReplacingSingles(JpaKeyStore store, Columns columns) {
        assertChanges(
                store,
                columns,
                "replacing-single",
                (former, next) -> single(store, next, next.key().state()));
    }

    /** Takes a key as it is given, and writes a state of it. */
    private static StoredKey single(JpaKeyStore store, StoredKey taken, KeyState state) {
        StoredKey next = key(taken, state);
        assertThat(store.commitSingle(
                        taken, Isolation.READ_COMMITTED, LEASE, single(stored -> true, em -> next.progress())))
                .isEqualTo(StageCommit.committed());
        return taken.with(next.progress());
    }

    /** Changes a key from each state to each; the change returns what it has to leave. */
    private static void assertChanges(
            JpaKeyStore store, Columns columns, String name, BinaryOperator<StoredKey> change) {
        for (KeyState before : STATES) {
            for (KeyState after : STATES) {
                StoredKey former = key(sample(name), before);
                assertThat(store.insert(former)).isTrue();
                StoredKey next = change.apply(former, key(anew(former), after));
                assertStored(store, columns, next, name + " after " + before.name());
            }
        }
    }

    /** Another creation of the same key. */
    private static StoredKey anew(StoredKey former) {
        KeyCreation creation = former.key().creation();
        return new StoredKey(
                new IdempotencyKey(
                        new KeyCreation(
                                creation.id(),
                                UUID.randomUUID(),
                                "another-operation",
                                creation.request(),
                                creation.fingerprint(),
                                AT.plusSeconds(10)),
                        former.key().progress()),
                former.revision());
    }

    private static StoredKey key(StoredKey of, KeyState state) {
        return of.with(new StoredProgress(
                new KeyProgress(state, 3, 2, "an error", AT.plusSeconds(20)), new Revision(UUID.randomUUID())));
    }

    private static void assertStored(JpaKeyStore store, Columns columns, StoredKey key, String write) {
        assertThat(store.find(key.id())).as(write).contains(key);
        String state = key.key().state().name();
        assertThat(columns.of(key.id()))
                .as("%s to %s", write, state)
                .containsExactlyInAnyOrderElementsOf(COLUMNS_OF.get(state));
    }

    /** Reads which of the columns of states a key has. */
    @FunctionalInterface
    private interface Columns {
        List<String> of(KeyId id);
    }

    private static List<String> columns(EntityManager entityManager, KeyId id) {
        String numbers = COLUMNS.stream()
                .map(column -> "case when " + column + " is null then 0 else 1 end")
                .collect(Collectors.joining(", "));
        Object[] row = (Object[]) entityManager
                .createNativeQuery("select " + numbers + " from idempotency_key where key_value = ?1", Object[].class)
                .setParameter(1, id.value())
                .getSingleResult();
        return IntStream.range(0, row.length)
                .filter(column -> ((Number) row[column]).intValue() == 1)
                .mapToObj(COLUMNS::get)
                .toList();
    }

    @FunctionalInterface
    private interface StateTest {
        void run(JpaKeyStore store, Columns columns);
    }

    private void ownTransactions(StateTest test) throws Exception {
        with((store, factory, pool) -> {
            try (EntityManager entityManager = factory.createEntityManager()) {
                test.run(store, id -> columns(entityManager, id));
            }
        });
    }

    private void springTransactions(StateTest test) throws Exception {
        spring((store, outer, shared) -> test.run(store, id -> columns(shared, id)));
    }
}
