package io.idempotencykey.contract;

import static io.idempotencykey.contract.History.Answer.MADE;
import static io.idempotencykey.contract.History.Answer.REFUSED;
import static io.idempotencykey.contract.History.Answer.UNKNOWN;
import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.Fingerprint;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StoredKey;
import java.time.Instant;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** A history that no order explains is found, and no other. */
class HistoryTest {
    private static final Optional<Revision> ABSENT = Optional.empty();

    private final StoredKey a = key();
    private final StoredKey b = key();
    private final StoredKey c = key();
    private final History history = new History();

    private static StoredKey key() {
        return Samples.stored(
                KeyId.of("key"),
                "",
                World.REQUEST,
                Fingerprint.of("", World.REQUEST),
                Instant.EPOCH,
                new KeyState.Open(RecoveryPoint.STARTED, Instant.EPOCH));
    }

    private static Optional<Revision> of(StoredKey key) {
        return Optional.of(key.revision());
    }

    private void explained() {
        assertThat(history.contradiction()).isEmpty();
    }

    private void contradictory(String why) {
        assertThat(history.contradiction())
                .hasValueSatisfying(text -> assertThat(text).contains(why));
    }

    @Test
    void writesOneAfterTheOtherAreExplained() {
        history.read(Optional.empty(), 0, 1);
        history.wrote(ABSENT, a, MADE, 2, 3);
        history.read(Optional.of(a), 4, 5);
        history.wrote(of(a), b, MADE, 6, 7);
        history.wrote(of(a), c, REFUSED, 8, 9);
        history.read(Optional.of(b), 10, 11);

        explained();
        assertThat(history.chain()).containsExactly(a, b);
    }

    @Test
    void aLookBesideAWriteSeesWhatWasBeforeOrIsAfter() {
        history.wrote(ABSENT, a, MADE, 0, 10);
        history.read(Optional.of(a), 1, 2);
        history.wrote(of(a), b, MADE, 20, 30);
        history.read(Optional.of(a), 25, 40);

        explained();
    }

    @Test
    void aLookThatSeesWhatWasReplacedBeforeItBeganIsContradictory() {
        history.wrote(ABSENT, a, MADE, 0, 1);
        history.wrote(of(a), b, MADE, 2, 3);
        history.read(Optional.of(a), 4, 5);

        contradictory("no moment is left for the write 2 of 2");
    }

    @Test
    void aLookThatSeesAWriteBeforeItBeganIsContradictory() {
        history.read(Optional.of(a), 0, 1);
        history.wrote(ABSENT, a, MADE, 2, 3);

        contradictory("no moment is left for the write 1 of 1");
    }

    @Test
    void aLookThatSeesNothingAfterAWriteIsContradictory() {
        history.wrote(ABSENT, a, MADE, 0, 1);
        history.read(Optional.empty(), 2, 3);

        contradictory("no moment is left");
    }

    @Test
    void looksThatSeeAWriteAndThenDoNotAreContradictory() {
        history.wrote(ABSENT, a, MADE, 0, 1);
        history.wrote(of(a), b, MADE, 2, 9);
        history.read(Optional.of(b), 3, 4);
        history.read(Optional.of(a), 5, 6);

        contradictory("no moment is left");
    }

    @Test
    void aRevisionThatIsReplacedTwiceIsContradictory() {
        history.wrote(ABSENT, a, MADE, 0, 1);
        history.wrote(of(a), b, MADE, 2, 3);
        history.wrote(of(a), c, MADE, 2, 3);

        contradictory("one revision was replaced twice");
    }

    @Test
    void aKeyThatIsInsertedTwiceIsContradictory() {
        history.wrote(ABSENT, a, MADE, 0, 1);
        history.wrote(ABSENT, b, MADE, 0, 1);

        contradictory("one revision was replaced twice");
    }

    @Test
    void aWriteOverWhatNeverStoodIsContradictory() {
        history.wrote(ABSENT, a, MADE, 0, 1);
        history.wrote(of(b), c, MADE, 2, 3);

        contradictory("a revision was replaced that never stood");
    }

    @Test
    void writesInACircleAreContradictory() {
        history.wrote(of(a), b, MADE, 0, 1);
        history.wrote(of(b), a, MADE, 0, 1);

        contradictory("a revision was replaced that never stood");
    }

    @Test
    void aLookThatSeesWhatNobodyWroteIsContradictory() {
        history.wrote(ABSENT, a, MADE, 0, 1);
        history.read(Optional.of(b), 2, 3);

        contradictory("it was never written so");
    }

    @Test
    void aLookThatSeesOtherContentIsContradictory() {
        history.wrote(ABSENT, a, MADE, 0, 1);
        history.read(Optional.of(new StoredKey(b.key(), a.revision())), 2, 3);

        contradictory("it was never written so");
    }

    @Test
    void aRefusalOfWhatStandsIsContradictory() {
        history.wrote(ABSENT, a, MADE, 0, 1);
        history.wrote(of(a), b, REFUSED, 2, 3);

        contradictory("it was refused");
    }

    @Test
    void aRefusalBeforeAnythingElseWasWrittenIsContradictory() {
        history.wrote(ABSENT, a, MADE, 0, 1);
        history.wrote(of(a), b, REFUSED, 2, 3);
        history.wrote(of(a), c, MADE, 4, 5);

        contradictory("no moment is left for the write 2 of 2");
    }

    @Test
    void anUnansweredWriteMayBeMadeLateOrNever() {
        history.wrote(ABSENT, a, MADE, 0, 1);
        history.wrote(of(a), b, UNKNOWN, 2, 3);
        history.wrote(of(a), c, UNKNOWN, 2, 3);
        history.read(Optional.of(a), 4, 5);
        history.wrote(of(a), key(), REFUSED, 6, 7);
        history.read(Optional.of(b), 8, 9);

        explained();
        assertThat(history.chain()).containsExactly(a, b);
    }

    @Test
    void anUnansweredWriteThatWasSeenStays() {
        history.wrote(ABSENT, a, UNKNOWN, 0, 1);
        history.read(Optional.of(a), 2, 3);
        history.read(Optional.empty(), 4, 5);

        contradictory("no moment is left");
    }

    @Test
    void whateverOneThreadAfterTheOtherIsToldIsExplained() {
        Random random = new Random(7);
        for (int round = 0; round < 100; round++) {
            History any = new History();
            Optional<StoredKey> standing = Optional.empty();
            for (int moment = 0; moment < 200; moment += 2) {
                if (random.nextBoolean()) {
                    any.read(standing, moment, moment + 1);
                } else {
                    StoredKey next = key();
                    any.wrote(standing.map(StoredKey::revision), next, MADE, moment, moment + 1);
                    standing = Optional.of(next);
                }
            }
            assertThat(any.contradiction()).isEmpty();
        }
    }
}
