package io.idempotencykey.mongo;

import com.mongodb.MongoConnectionPoolClearedException;
import com.mongodb.MongoException;
import com.mongodb.MongoExecutionTimeoutException;
import com.mongodb.MongoInterruptedException;
import com.mongodb.MongoNodeIsRecoveringException;
import com.mongodb.MongoNotPrimaryException;
import com.mongodb.MongoOperationTimeoutException;
import com.mongodb.MongoSecurityException;
import com.mongodb.MongoServerException;
import com.mongodb.MongoSocketException;
import com.mongodb.MongoTimeoutException;
import com.mongodb.MongoWriteConcernException;
import com.mongodb.ServerAddress;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What a driver's error means, by its type, code and labels.
 *
 * <p>The constants are in order of precedence, for a throwable that carries several errors.
 */
enum Failure {
    /** The server or the driver gave up waiting; the change may still land. */
    TIMED_OUT,
    /** The connection, the primary or the majority was lost, or the command was killed; its outcome is unknown. */
    LOST,
    /** The transaction conflicted with another or is gone, and its writes are gone with it. */
    CONFLICT,
    /** No server took the command, because none was found or the authentication failed. */
    UNREACHABLE,
    /** Another document has the same value under a unique index; nothing was done. */
    DUPLICATE,
    /** The server refused the command and would refuse it again; nothing was done. */
    REFUSED,
    /** The throwable carries no error that this class knows. */
    NONE;

    private static final Set<Integer> TIMED_OUT_CODES = Set.of(
            24, // LockTimeout
            50, // MaxTimeMSExpired
            202, // NetworkInterfaceExceededTimeLimit
            262); // ExceededTimeLimit

    private static final Set<Integer> LOST_CODES = Set.of(
            6, // HostUnreachable
            7, // HostNotFound
            64, // WriteConcernFailed
            89, // NetworkTimeout
            91, // ShutdownInProgress
            189, // PrimarySteppedDown
            290, // TransactionExceededLifetimeLimitSeconds
            9001, // SocketException
            10107, // NotWritablePrimary
            11600, // InterruptedAtShutdown
            11601, // Interrupted, for instance by the end of its session
            11602, // InterruptedDueToReplStateChange
            13435, // NotPrimaryNoSecondaryOk
            13436); // NotPrimaryOrSecondary

    private static final Set<Integer> CONFLICT_CODES = Set.of(
            112, // WriteConflict
            225, // TransactionTooOld
            239, // SnapshotTooOld
            246, // SnapshotUnavailable
            251, // NoSuchTransaction
            267); // PreparedTransactionInProgress

    private static final Set<Integer> REFUSED_CODES = Set.of(
            2, // BadValue, for instance a missing index
            9, // FailedToParse
            13, // Unauthorized
            14, // TypeMismatch
            18, // AuthenticationFailed
            20, // IllegalOperation
            59, // CommandNotFound
            66, // ImmutableField
            72, // InvalidOptions
            73, // InvalidNamespace
            85, // IndexOptionsConflict
            86, // IndexKeySpecsConflict
            121, // DocumentValidationFailure
            166, // CommandNotSupportedOnView
            10334); // BSONObjectTooLarge

    private static final Set<Integer> INDEX_CONFLICTS = Set.of(
            85, // IndexOptionsConflict
            86); // IndexKeySpecsConflict

    private static final int DUPLICATE_KEY = 11000;

    private static final int WRITE_CONFLICT = 112;

    private static final int TRANSACTION_COMMITTED = 256;

    private static final String RETRYABLE_WRITE = "RetryableWriteError";

    /** What a throwable means, by all the driver's errors in its {@linkplain StoreFailure#chain chain}. */
    static Failure of(Throwable thrown) {
        Failure found = NONE;
        for (Throwable each : StoreFailure.chain(thrown)) {
            if (each instanceof MongoException error && of(error).compareTo(found) < 0) {
                found = of(error);
            }
        }
        return found;
    }

    private static Failure of(MongoException error) {
        int code = error.getCode();
        if (error instanceof MongoOperationTimeoutException
                || error instanceof MongoExecutionTimeoutException
                || TIMED_OUT_CODES.contains(code)) {
            return TIMED_OUT;
        }
        if (error instanceof MongoTimeoutException || error instanceof MongoSecurityException) {
            return UNREACHABLE;
        }
        if (error.hasErrorLabel(MongoException.TRANSIENT_TRANSACTION_ERROR_LABEL) || CONFLICT_CODES.contains(code)) {
            return CONFLICT;
        }
        if (error instanceof MongoSocketException
                || error instanceof MongoNotPrimaryException
                || error instanceof MongoNodeIsRecoveringException
                || error instanceof MongoConnectionPoolClearedException
                || error instanceof MongoWriteConcernException
                || error.hasErrorLabel(RETRYABLE_WRITE)
                || LOST_CODES.contains(code)) {
            return LOST;
        }
        if (code == DUPLICATE_KEY) {
            return DUPLICATE;
        }
        return REFUSED_CODES.contains(code) ? REFUSED : NONE;
    }

    /**
     * What a failure of a single command means.
     *
     * <p>A conflict counts as unknown, because its error doesn't prove that the command was sent only once.
     */
    static StoreFailure ofCommand(RuntimeException thrown) {
        StoreFailure.Kind kind = switch (of(thrown)) {
            case TIMED_OUT -> StoreFailure.Kind.BUSY;
            case UNREACHABLE, DUPLICATE, REFUSED -> StoreFailure.Kind.UNAVAILABLE;
            case LOST, CONFLICT, NONE -> StoreFailure.Kind.UNKNOWN;
        };
        return failure(kind, thrown);
    }

    /** The same for a read. A read that timed out isn't tried again, because each try would wait as long. */
    static StoreFailure ofRead(RuntimeException thrown) {
        return of(thrown) == TIMED_OUT ? failure(StoreFailure.Kind.UNAVAILABLE, thrown) : ofCommand(thrown);
    }

    private static StoreFailure failure(StoreFailure.Kind kind, RuntimeException thrown) {
        return new StoreFailure(kind, "MongoDB failed: " + kind, thrown);
    }

    /** What became of a stage that failed before its commit was sent. It is rolled back for certain. */
    static StageCommit beforeCommit(Throwable thrown) {
        return isTransient(of(thrown)) ? StageCommit.transientlyRolledBack(thrown) : StageCommit.rolledBack(thrown);
    }

    /**
     * The same where the store itself failed: at taking the key, or at the last write. What won't pass is its own
     * failure and not the stage's, unless the stage has committed by itself.
     */
    static StageCommit ofStore(Throwable thrown) {
        StageCommit failed = beforeCommit(thrown);
        boolean isStores = thrown instanceof MongoException error && error.getCode() != TRANSACTION_COMMITTED;
        return isStores && failed.kind() == StageCommit.Kind.ROLLED_BACK
                ? StageCommit.rolledBack(new StoreFailure(
                        StoreFailure.Kind.UNAVAILABLE, "MongoDB refused to write the key in its transaction", thrown))
                : failed;
    }

    private static boolean isTransient(Failure failure) {
        return switch (failure) {
            case TIMED_OUT, LOST, CONFLICT, UNREACHABLE -> true;
            case DUPLICATE, REFUSED, NONE -> false;
        };
    }

    /**
     * Whether what a stage has thrown may come from one of these servers.
     *
     * <p>What comes from another client names another server. A time-out that names none isn't theirs, either: the
     * session learns of its own, and the server ends a transaction with it. Anything else that names no server may be
     * theirs, and so may an error that the application made to have its stage run again.
     */
    static boolean mayComeFrom(Set<ServerAddress> servers, Throwable thrown) {
        for (Throwable each : StoreFailure.chain(thrown)) {
            if (each instanceof MongoException error && mayComeFrom(servers, error)) {
                return true;
            }
        }
        return false;
    }

    private static boolean mayComeFrom(Set<ServerAddress> servers, MongoException error) {
        ServerAddress address = addressOf(error);
        if (address != null) {
            return servers.contains(address);
        }
        if (error instanceof MongoTimeoutException || error instanceof MongoExecutionTimeoutException) {
            return false;
        }
        // These two say by their cause where they come from, which counts by itself.
        boolean hasItsCauses =
                error instanceof MongoSecurityException || error instanceof MongoConnectionPoolClearedException;
        return isTransient(of(error))
                && !(hasItsCauses && StoreFailure.chain(error).stream().anyMatch(each -> addressOf(each) != null));
    }

    private static @Nullable ServerAddress addressOf(Throwable thrown) {
        if (thrown instanceof MongoServerException error) {
            return error.getServerAddress();
        }
        return thrown instanceof MongoSocketException error ? error.getServerAddress() : null;
    }

    /** Whether the server says that another open transaction has written the document. */
    static boolean isWriteConflict(MongoException thrown) {
        return thrown.getCode() == WRITE_CONFLICT;
    }

    /** Whether the server's answer to a commit says that the transaction is rolled back. */
    static boolean saysRolledBack(RuntimeException thrown) {
        return of(thrown) == CONFLICT && !isUnknownCommit(thrown);
    }

    /** Whether an index is to be made where there is another one. */
    static boolean isIndexConflict(MongoException thrown) {
        return INDEX_CONFLICTS.contains(thrown.getCode());
    }

    /** Whether the thread was interrupted while the driver waited, whatever had been sent by then. */
    static boolean isInterruption(RuntimeException thrown) {
        return StoreFailure.chain(thrown).stream().anyMatch(MongoInterruptedException.class::isInstance);
    }

    /** Whether sending the commit once more may tell what became of it. */
    static boolean isUnknownCommit(RuntimeException thrown) {
        return thrown instanceof MongoException error
                && error.hasErrorLabel(MongoException.UNKNOWN_TRANSACTION_COMMIT_RESULT_LABEL);
    }
}
