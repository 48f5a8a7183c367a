package io.idempotencykey.port;

import io.idempotencykey.Backlog;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.RecoveryPoint;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * What core asks of a store: each method but {@link #insertOrFind} does one atomic thing, and none decides anything.
 *
 * <p>Safe for many threads. Keys compare byte by byte. What was given to {@link #insert}, {@link #replace} or returned
 * by a stage's work comes back from {@link #find} equal to it. Rule 12: no method waits longer than a second for a row
 * that a transaction holds; it fails with {@link StoreFailure.Kind#BUSY} instead. Failures are thrown as {@link
 * StoreFailure}, never read as "absent" or "not matched".
 *
 * @param <T> the handle that a stage writes with in its transaction
 */
public interface KeyStore<T> {
    /**
     * The store's own time; costs a round trip where the store is a server.
     *
     * @return in UTC, at least to the millisecond
     * @throws StoreFailure if it can't be read
     */
    Instant time();

    /**
     * How long a reading of {@link #time()} may be carried on by a monotonic clock before it is read again.
     *
     * @return about a minute where a reading costs a round trip; zero where it costs nothing, and is always made
     */
    Duration timeHolds();

    /**
     * Whether a call costs next to nothing, as of a store in this process's memory. Then a key is looked for before one
     * is made to be inserted; elsewhere that would be a round trip more.
     *
     * @return the same for the life of the store
     */
    default boolean isInProcess() {
        return false;
    }

    /**
     * The isolations that a stage's transaction can have here.
     *
     * @return at least one; the same for the life of the store
     */
    Set<Isolation> isolations();

    /**
     * Finds a key as it was last committed, expired or not.
     *
     * @param id the key
     * @return empty only if the store answered that there is none
     * @throws StoreFailure if it could not be read
     */
    Optional<StoredKey> find(KeyId id);

    /**
     * Inserts a key, in one statement, if none with its identity exists.
     *
     * @param key the new key
     * @return whether it was inserted
     * @throws StoreFailure as its kind says; {@link StoreFailure.Kind#FULL} from bounded stores
     */
    boolean insert(StoredKey key);

    /**
     * Inserts a key as {@link #insert} does, and if another one is in its way, finds that as {@link #find} does. The
     * two needn't be one atomic thing. A store overrides this if it can do both in one round trip.
     *
     * @param key the new key
     * @return the key as it is stored then: the given one if this call or an earlier one inserted it, or the one in its
     *     way; empty if that has been deleted in between
     * @throws StoreFailure as its kind says; {@link StoreFailure.Kind#UNKNOWN} also if nothing was inserted, and the
     *     answer to the search for the key in its way was lost; {@link StoreFailure.Kind#UNREADABLE} if that key can't
     *     be read
     */
    default Optional<StoredKey> insertOrFind(StoredKey key) {
        return insert(key) ? Optional.of(key) : find(key.id());
    }

    /**
     * Replaces a key by compare-and-set, in one statement.
     *
     * @param expected the revision that must be stored
     * @param next the new content; its identity says which key
     * @return whether it was replaced; {@code false} if there is no such key with that revision
     * @throws StoreFailure as its kind says
     */
    boolean replace(Revision expected, StoredKey next);

    /**
     * Rule 14: runs a stage's work in a new transaction of its own, and ends no other one, with the key's
     * compare-and-set as its last write.
     *
     * <p>The work gets the handle and returns the key's next progress. Then everything that the handle has buffered is
     * written, the store makes sure that the transaction is still alive and not marked for rollback, replaces the key's
     * progress if the key has the held revision, and commits. Whatever goes wrong rolls back, and is told as a result;
     * nothing that the work throws leaves this method. The work may throw anything, checked exceptions too.
     *
     * <p>Failures before the work is called are results, too: what may pass is rolled back transiently; else the result
     * is rolled back with a {@link StoreFailure}, such as one of the kind {@code UNAVAILABLE} if there is no
     * connection.
     *
     * <p>Core's work leaves its thread uninterrupted, and interrupts it again when this method has returned: drivers
     * that refuse to work on an interrupted thread end the transaction all the same.
     *
     * @param held the key as it is held; its revision is the fence
     * @param isolation one of {@link #isolations()}
     * @param lease how long the transaction may live if its owner disappears; at least a second
     * @param work called at most once, on this thread
     * @return what became of the transaction
     */
    StageCommit commitStage(StoredKey held, Isolation isolation, Duration lease, Function<T, StoredProgress> work);

    /**
     * Runs a request's only stage in one new transaction, which takes the key first and stores it last, so that nothing
     * of the key is visible before the commit.
     *
     * <p>The key is taken before the work is called, in a way that ends with the transaction, however that ends.
     * Another call for the key gets {@link StageCommit.Kind#HELD} meanwhile, within a second. If the key is stored, the
     * stage is asked whether it replaces it. If not, the call ends as fenced off, also while other calls do so; many
     * retries don't hold each other off. The stored key may have been read shortly before this key was taken, because
     * the last write finds out what is true.
     *
     * <p>Then the work is called, and all is as in {@link #commitStage}, but for the last write: it inserts the key
     * with the progress that the work returned, if none with its identity exists, or else it replaces the key that the
     * stage was asked about, if that still has its revision. The identity's uniqueness is the fence. If it lets nothing
     * through, the call ends as fenced off.
     *
     * <p>A store without room for the key says so before the work is called: rolled back with a {@link StoreFailure} of
     * the kind {@code FULL}. What this method throws counts as an unknown outcome.
     *
     * @param taken the key as it is while the stage runs. A store that takes a key by writing its row writes this one,
     *     which nobody else sees; a store that locks instead uses its identity and its creation only
     * @param isolation one of {@link #isolations()}
     * @param lease how long the transaction may live if its owner disappears; at least a second
     * @param stage its work is called at most once, on this thread
     * @return what became of the transaction
     */
    StageCommit commitSingle(StoredKey taken, Isolation isolation, Duration lease, SingleStage<T> stage);

    /**
     * Finds unfinished keys that nobody works on: open ones resumable from an instant before this one, and locked ones
     * whose lease ended before it. Failed and quarantined keys are not among them.
     *
     * <p>All are of one scope, the first in order that has any: asking for scope after scope serves all of them evenly.
     *
     * @param operations the operations' names and the recovery points at which to look; every operation and point if
     *     empty
     * @param afterScope scopes up to this one are left out, by the order of their characters; {@code null} leaves out
     *     none
     * @param before the instant
     * @param limit the most keys to return, 1 or more, which core has checked
     * @return the longest waiting first; those that can't be read are left out, and a scope of no others is passed over
     * @throws StoreFailure if they could not be read
     */
    List<StoredKey> findResumable(
            Map<String, Set<RecoveryPoint>> operations, @Nullable String afterScope, Instant before, int limit);

    /**
     * Finds unfinished keys, held or not: open and locked ones. Failed and quarantined keys are not among them.
     *
     * @param scope whose keys; {@code null} asks for those of all scopes
     * @param after keys up to this one, which is of that scope, are left out; {@code null} leaves out none
     * @param since where that key stood: the instant from which it was resumable, or at which its lease ended; it means
     *     nothing without a key
     * @param limit the most keys to return, 1 or more
     * @return by that instant, then by the order of the scopes' characters, and then of the values'; those that can't
     *     be read are left out, and it is empty only if there are no others
     * @throws StoreFailure if they could not be read
     */
    List<StoredKey> findUnfinished(@Nullable String scope, @Nullable KeyId after, Instant since, int limit);

    /**
     * Finds quarantined keys.
     *
     * @param scope whose keys; {@code null} asks for those of all scopes
     * @param after keys up to this one, which is of that scope, are left out; {@code null} leaves out none
     * @param since where that key stood: the instant since which it was quarantined; without a key it means nothing
     * @param limit the most keys to return, 1 or more
     * @return by that instant, and then as {@link #findUnfinished} does
     * @throws StoreFailure if they could not be read
     */
    List<StoredKey> findQuarantined(@Nullable String scope, @Nullable KeyId after, Instant since, int limit);

    /**
     * Counts the keys that wait for somebody, by index: the cost grows with the unfinished and the quarantined keys,
     * and not with the finished ones.
     *
     * <p>The waiting ones are those that {@link #findResumable} would list at the same instant, of every operation and
     * scope. Keys that can't be read are counted, too. The two counts may be of two moments.
     *
     * @param before the instant
     * @return the counts, with the instant as their time
     * @throws StoreFailure if they could not be counted
     */
    Backlog backlog(Instant before);

    /**
     * Counts some of the keys of {@link #backlog}, operation by operation: those that have waited longest.
     *
     * @param before the instant
     * @param most how many of the waiting keys and how many of the quarantined ones are counted, 1 or more: the cost
     *     doesn't grow any more beyond them
     * @return the operations that have any, in no order; one may be there twice, with its waiting and with its
     *     quarantined keys
     * @throws StoreFailure if they could not be counted
     */
    List<Backlog.OfOperation> countByOperation(Instant before, int most);

    /**
     * Deletes finished and failed keys that have expired, each only if it is still expired at its deletion.
     *
     * @param at keys that expire at this instant or earlier go
     * @param limit the most keys to delete, 1 or more; bounds how long locks are held
     * @return how many were deleted
     * @throws StoreFailure as its kind says
     */
    int deleteExpired(Instant at, int limit);

    /**
     * A request's only stage, as {@link #commitSingle} runs it.
     *
     * @param <T> the handle that the stage writes with in its transaction
     */
    interface SingleStage<T> {
        /**
         * Says whether the stage runs although its key is stored, and replaces that key. Asks the store nothing, and
         * doesn't throw.
         *
         * @param stored the key as it was last committed
         * @return whether it does
         */
        boolean replaces(StoredKey stored);

        /**
         * Does the work.
         *
         * @param transaction the handle
         * @return the key's progress after the stage; it may throw anything, checked exceptions too
         */
        StoredProgress work(T transaction);
    }
}
