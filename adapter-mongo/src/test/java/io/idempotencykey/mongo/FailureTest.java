package io.idempotencykey.mongo;

import static org.assertj.core.api.Assertions.assertThat;

import com.mongodb.MongoCommandException;
import com.mongodb.MongoConnectionPoolClearedException;
import com.mongodb.MongoException;
import com.mongodb.MongoExecutionTimeoutException;
import com.mongodb.MongoInterruptedException;
import com.mongodb.MongoNodeIsRecoveringException;
import com.mongodb.MongoNotPrimaryException;
import com.mongodb.MongoOperationTimeoutException;
import com.mongodb.MongoSecurityException;
import com.mongodb.MongoSocketException;
import com.mongodb.MongoTimeoutException;
import com.mongodb.MongoWriteConcernException;
import com.mongodb.ServerAddress;
import com.mongodb.WriteConcernResult;
import com.mongodb.bulk.WriteConcernError;
import com.mongodb.connection.ClusterId;
import com.mongodb.connection.ServerId;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import java.util.Set;
import java.util.stream.Stream;
import org.bson.BsonDocument;
import org.bson.BsonInt32;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** What the driver's errors mean, also those that no server can be made to give at will. */
class FailureTest {
    private static final ServerAddress SERVER = new ServerAddress();

    private static MongoCommandException error(int code) {
        return new MongoCommandException(new BsonDocument("code", new BsonInt32(code)), SERVER);
    }

    private static MongoException labelled(MongoException error, String label) {
        error.addLabel(label);
        return error;
    }

    @ParameterizedTest
    @CsvSource({
        "50, TIMED_OUT",
        "112, CONFLICT",
        "251, CONFLICT",
        "11601, LOST",
        "10107, LOST",
        "11000, DUPLICATE",
        "121, REFUSED",
        "8, NONE"
    })
    void aCodeMeans(int code, Failure meaning) {
        assertThat(Failure.of(error(code))).isEqualTo(meaning);
        assertThat(Failure.of(new IllegalStateException(error(code)))).isEqualTo(meaning);
    }

    static Stream<Arguments> types() {
        return Stream.of(
                type(new MongoOperationTimeoutException("late"), Failure.TIMED_OUT),
                type(new MongoExecutionTimeoutException(0, "late"), Failure.TIMED_OUT),
                type(new MongoTimeoutException("no server"), Failure.UNREACHABLE),
                type(new MongoSecurityException(null, "no such user"), Failure.UNREACHABLE),
                type(new MongoSocketException("cut", SERVER), Failure.LOST),
                type(new MongoNotPrimaryException(new BsonDocument(), SERVER), Failure.LOST),
                type(new MongoNodeIsRecoveringException(new BsonDocument(), SERVER), Failure.LOST),
                type(
                        new MongoWriteConcernException(
                                new WriteConcernError(0, "name", "no majority", new BsonDocument()),
                                WriteConcernResult.unacknowledged(),
                                SERVER,
                                Set.of()),
                        Failure.LOST),
                type(labelled(error(8), "RetryableWriteError"), Failure.LOST),
                type(labelled(error(8), MongoException.TRANSIENT_TRANSACTION_ERROR_LABEL), Failure.CONFLICT),
                type(new IllegalStateException("the application's"), Failure.NONE));
    }

    private static Arguments type(RuntimeException thrown, Failure meaning) {
        return Arguments.of(Named.of(thrown.getClass().getSimpleName(), thrown), meaning);
    }

    @ParameterizedTest
    @MethodSource("types")
    void aTypeOrALabelMeans(RuntimeException thrown, Failure meaning) {
        assertThat(Failure.of(thrown)).isEqualTo(meaning);
    }

    /** What is less certain than the rest decides, wherever it stands. */
    @Test
    void ofSeveralErrorsTheOneThatLeavesMostOpenCounts() {
        MongoException duplicate = error(11000);
        duplicate.addSuppressed(error(10107));
        MongoException lost = error(10107);
        lost.addSuppressed(error(11000));

        assertThat(Failure.of(duplicate)).isEqualTo(Failure.LOST);
        assertThat(Failure.of(lost)).isEqualTo(Failure.LOST);
    }

    @ParameterizedTest
    @CsvSource({
        "50, BUSY, UNAVAILABLE",
        "10107, UNKNOWN, UNKNOWN",
        "112, UNKNOWN, UNKNOWN",
        "11000, UNAVAILABLE, UNAVAILABLE",
        "121, UNAVAILABLE, UNAVAILABLE",
        "8, UNKNOWN, UNKNOWN"
    })
    void aCommandThatFailsIsTold(int code, StoreFailure.Kind command, StoreFailure.Kind read) {
        MongoException error = error(code);

        assertThat(Failure.ofCommand(error).kind()).isEqualTo(command);
        assertThat(Failure.ofCommand(error)).hasCause(error);
        assertThat(Failure.ofRead(error).kind()).isEqualTo(read);
        assertThat(Failure.ofRead(error)).hasCause(error);
    }

    @ParameterizedTest
    @CsvSource({"50, true", "10107, true", "112, true", "11000, false", "121, false", "8, false"})
    void aStageThatFailsBeforeItsCommitIsRolledBack(int code, boolean passes) {
        MongoException error = error(code);

        assertThat(Failure.beforeCommit(error))
                .isEqualTo(passes ? StageCommit.transientlyRolledBack(error) : StageCommit.rolledBack(error));
    }

    /** The server has answered, and then the majority, or the answer, was lost. */
    @Test
    void aCommitWhoseOutcomeIsUnknownIsNotRolledBackWhateverItsCodeSays() {
        String unknown = MongoException.UNKNOWN_TRANSACTION_COMMIT_RESULT_LABEL;

        assertThat(Failure.saysRolledBack(error(251))).isTrue();
        assertThat(Failure.saysRolledBack(labelled(error(251), unknown))).isFalse();
        assertThat(Failure.saysRolledBack(error(11000))).isFalse();
        assertThat(Failure.isUnknownCommit(labelled(error(50), unknown))).isTrue();
        assertThat(Failure.isUnknownCommit(error(50))).isFalse();
        assertThat(Failure.isUnknownCommit(new IllegalStateException("the application's")))
                .isFalse();
    }

    @Test
    void anErrorComesFromTheServerThatItNamesAndAnyNamelessOneButATimeOutMayComeFromHere() {
        ServerAddress elsewhere = new ServerAddress("elsewhere.example");
        MongoException labelled =
                labelled(new MongoException("again"), MongoException.TRANSIENT_TRANSACTION_ERROR_LABEL);
        MongoSocketException cut = new MongoSocketException("cut", elsewhere);
        ServerId server = new ServerId(new ClusterId(), SERVER);

        assertThat(mayComeFromHere(error(112))).isTrue();
        assertThat(mayComeFromHere(new IllegalStateException(error(112)))).isTrue();
        assertThat(mayComeFromHere(labelled)).isTrue();
        assertThat(mayComeFromHere(new MongoSecurityException(null, "no such user")))
                .isTrue();
        assertThat(mayComeFromHere(new MongoSecurityException(null, "no such user", error(18))))
                .isTrue();
        assertThat(mayComeFromHere(new MongoConnectionPoolClearedException(server, null)))
                .isTrue();
        assertThat(mayComeFromHere(new MongoConnectionPoolClearedException(server, cut)))
                .isFalse();
        assertThat(mayComeFromHere(new MongoSecurityException(null, "no such user", cut)))
                .isFalse();
        assertThat(mayComeFromHere(cut)).isFalse();
        assertThat(mayComeFromHere(new MongoTimeoutException("no server"))).isFalse();
        assertThat(mayComeFromHere(new MongoOperationTimeoutException("late", cut)))
                .isFalse();
        assertThat(mayComeFromHere(new MongoOperationTimeoutException("late", error(112))))
                .isTrue();
        assertThat(mayComeFromHere(new MongoExecutionTimeoutException(50, "late")))
                .isFalse();
        assertThat(mayComeFromHere(new IllegalStateException("the application's")))
                .isFalse();
    }

    private static boolean mayComeFromHere(Throwable thrown) {
        return Failure.mayComeFrom(Set.of(SERVER), thrown);
    }

    @Test
    void anInterruptionIsFoundInTheChain() {
        MongoInterruptedException interrupted = new MongoInterruptedException("stopped", new InterruptedException());

        assertThat(Failure.isInterruption(new IllegalStateException(interrupted)))
                .isTrue();
        assertThat(Failure.isInterruption(error(11601))).isFalse();
    }

    @Test
    void aCodeTellsAWriteConflictFromOtherConflictsAndAnIndexConflictFromOtherRefusals() {
        assertThat(Failure.isWriteConflict(error(112))).isTrue();
        assertThat(Failure.isWriteConflict(error(251))).isFalse();
        assertThat(Failure.isIndexConflict(error(86))).isTrue();
        assertThat(Failure.isIndexConflict(error(121))).isFalse();
    }
}
