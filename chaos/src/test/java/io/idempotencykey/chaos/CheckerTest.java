package io.idempotencykey.chaos;

import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.chaos.Checker.Anomaly;
import io.idempotencykey.chaos.Checker.Kind;
import io.idempotencykey.chaos.Contents.Charge;
import io.idempotencykey.chaos.Contents.Order;
import io.idempotencykey.chaos.Contents.Reservation;
import io.idempotencykey.chaos.Contents.Review;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A history in which all is right has no anomaly, and each kind of anomaly is found in one that has it. */
class CheckerTest {
    private static final Map<String, List<String>> HEADERS = Map.of("Content-Type", List.of("application/json"));
    private static final String BODY = "{\"order\":\"o-1\",\"payment\":\"ch-1\"}";
    private static final String NEW_BODY = "{\"order\":\"o-2\",\"payment\":\"ch-2\"}";

    private final Sent completion = Sent.completion("cart-1", "{}", false);
    private final Sent left = Sent.completion("cart-2", "{}", true);
    private final Sent review = Sent.review("mug", "review-1", "{}");
    private final List<Sent> sent = new ArrayList<>(List.of(completion, left, review));
    private final String creation = UUID.randomUUID().toString();
    private final List<Contents.Key> keys = new ArrayList<>(
            List.of(finished(completion, creation, 201, BODY), finished(review, newCreation(), 201, "{}")));
    private final List<Reservation> reservations =
            new ArrayList<>(List.of(new Reservation("cart-1", creation, "ch-1")));
    private final List<Order> orders = new ArrayList<>(List.of(new Order("o-1", "cart-1", 1500, "ch-1")));
    private final List<Review> reviews = new ArrayList<>(List.of(new Review("r-1", "review-1")));
    private final List<Charge> charges = new ArrayList<>(List.of(charge("ch-1", creation, "cart-1")));
    private final List<Checker.Promotion> promotions = new ArrayList<>();

    CheckerTest() {
        completion.answered(answer(201, BODY));
        review.answered(answer(201, "{}"));
    }

    private static Charge charge(String id, String creation, String cart) {
        return new Charge(id, Checker.derivedKey(creation), cart, 1500);
    }

    private static Sent.Answer answer(int status, String body) {
        return answer(status, body, Instant.now());
    }

    private static Sent.Answer answer(int status, String body, Instant at) {
        return new Sent.Answer(status, HEADERS, body, false, at, at);
    }

    private static String newCreation() {
        return UUID.randomUUID().toString();
    }

    private static Contents.Key finished(Sent sent, String creation, int status, String body) {
        return new Contents.Key(sent.key(), creation, "finished", status, HEADERS, body);
    }

    private static Contents.Key unfinished(Sent sent, String state) {
        return new Contents.Key(sent.key(), newCreation(), state, 0, Map.of(), "");
    }

    private Checker.Result check() {
        return Checker.check(sent, new Contents(keys, reservations, orders, reviews, charges), promotions);
    }

    private void assertFound(Kind... kinds) {
        assertThat(check().anomalies()).extracting(Anomaly::kind).containsExactlyInAnyOrder(kinds);
    }

    @Test
    void whereAllIsRightNothingIsFound() {
        completion.answered(answer(201, BODY));

        assertFound();
        assertThat(check().lost()).isEmpty();
    }

    @Test
    void aRequestWithoutAnAnswerIsFoundWithItsHistory() {
        Sent waiting = Sent.completion("cart-3", "{}", false);
        sent.add(waiting);
        waiting.happened("503");

        assertFound(Kind.NOT_ANSWERED);
        assertThat(check().anomalies().get(0).history()).contains("503");
    }

    @Test
    void aKeyThatIsStillLockedIsFound() {
        keys.add(unfinished(left, "locked"));

        assertFound(Kind.NOT_ENDED);
    }

    @Test
    void aQuarantinedKeyIsFound() {
        keys.add(unfinished(left, "quarantined"));

        assertFound(Kind.NOT_ENDED);
    }

    @Test
    void aKeyThatIsLeftToAClientThatHasGoneIsNoFinding() {
        keys.add(unfinished(left, "failed"));

        assertFound();
    }

    @Test
    void anotherAnswerIsFound() {
        completion.answered(answer(402, "declined"));
        completion.answered(answer(201, BODY));

        assertFound(Kind.ANSWER_CHANGED);
    }

    @Test
    void anAnswerThatIsNotStoredIsFound() {
        review.answered(answer(422, "mismatch"));

        assertFound(Kind.ANSWER_CHANGED, Kind.ANSWER_NOT_STORED);
    }

    @Test
    void anAnswerOfWhichAHeaderIsNotStoredIsFound() {
        keys.set(1, new Contents.Key(review.key(), newCreation(), "finished", 201, Map.of(), "{}"));

        assertFound(Kind.ANSWER_NOT_STORED);
    }

    @Test
    void anAnswerThatDiffersFromTheStoredOneByABlankIsFound() {
        keys.set(1, finished(review, newCreation(), 201, "{} "));

        assertFound(Kind.ANSWER_NOT_STORED);
    }

    @Test
    void anAnswerWithoutAKeyIsFound() {
        keys.remove(1);
        reviews.clear();

        assertFound(Kind.ANSWER_NOT_STORED);
    }

    @Test
    void aLostOrderIsFound() {
        orders.clear();

        assertFound(Kind.EFFECT_MISSING);
    }

    @Test
    void aLostReviewIsFound() {
        reviews.clear();

        assertFound(Kind.EFFECT_MISSING);
    }

    @Test
    void aSecondOrderIsFound() {
        orders.add(new Order("o-2", "cart-1", 1500, "ch-1"));

        assertFound(Kind.EFFECT_TWICE);
    }

    @Test
    void aSecondReviewIsFound() {
        reviews.add(new Review("r-2", "review-1"));

        assertFound(Kind.EFFECT_TWICE);
    }

    @Test
    void twoRequestsThatWinOneCartAreFound() {
        Sent rival = Sent.completion("cart-1", "{}", false);
        sent.add(rival);
        rival.answered(answer(201, BODY));
        keys.add(finished(rival, newCreation(), 201, BODY));

        assertFound(Kind.EFFECT_TWICE);
    }

    @Test
    void aRivalThatIsRefusedIsNoFinding() {
        Sent rival = Sent.completion("cart-1", "{}", false);
        sent.add(rival);
        rival.answered(answer(409, "taken"));
        keys.add(finished(rival, newCreation(), 409, "taken"));

        assertFound();
    }

    @Test
    void anOrderWithoutAKeyIsFound() {
        orders.add(new Order("o-2", "cart-2", 1500, "ch-2"));

        assertFound(Kind.EFFECT_WITHOUT_ANSWER);
    }

    @Test
    void aReviewThatWasRefusedIsFoundWhereItIsThere() {
        keys.set(1, finished(review, newCreation(), 404, "{}"));
        review.answered(answer(404, "{}"));

        assertThat(check().anomalies()).extracting(Anomaly::kind).contains(Kind.EFFECT_WITHOUT_ANSWER);
    }

    @Test
    void aReviewOfWhichItsClientWasToldAnExceptionIsFound() {
        Sent denied = Sent.review("mug", "review-2", "{}");
        sent.add(denied);
        denied.deny();
        assertFound();

        keys.add(finished(denied, newCreation(), 201, "{}"));
        reviews.add(new Review("r-2", "review-2"));
        assertFound(Kind.EFFECT_THOUGH_DENIED);
    }

    @Test
    void aReservationOfNobodyIsFound() {
        reservations.add(new Reservation("cart-2", newCreation(), null));

        assertFound(Kind.EFFECT_WITHOUT_ANSWER);
    }

    @Test
    void anOrderOfAnotherPaymentThanItsReservationIsFound() {
        reservations.set(0, new Reservation("cart-1", creation, null));

        assertFound(Kind.EFFECTS_DISAGREE);
    }

    @Test
    void anAnswerThatTellsOfAnotherOrderIsFound() {
        orders.set(0, new Order("o-9", "cart-1", 1500, "ch-1"));

        assertFound(Kind.EFFECTS_DISAGREE);
    }

    @Test
    void aChargeThatIsMissingIsFound() {
        charges.clear();

        assertFound(Kind.CHARGE_MISSING);
    }

    @Test
    void aChargeWithAnotherKeyIsFound() {
        charges.set(0, charge("ch-1", newCreation(), "cart-1"));

        assertFound(Kind.CHARGE_MISSING);
    }

    @Test
    void aSecondChargeIsFound() {
        charges.add(charge("ch-2", newCreation(), "cart-1"));

        assertFound(Kind.CHARGE_TWICE);
    }

    @Test
    void aChargeWithoutAnOrderIsFound() {
        charges.add(charge("ch-2", newCreation(), "cart-2"));

        assertFound(Kind.CHARGE_WITHOUT_ORDER);
    }

    @Test
    void whatNobodyAskedForIsFound() {
        keys.add(unfinished(Sent.completion("cart-9", "{}", false), "finished"));
        orders.add(new Order("o-9", "cart-9", 1500, "ch-9"));
        reviews.add(new Review("r-9", "review-9"));
        charges.add(charge("ch-9", newCreation(), "cart-9"));
        reservations.add(new Reservation("cart-9", newCreation(), null));

        assertFound(Kind.NOT_ASKED_FOR, Kind.NOT_ASKED_FOR, Kind.NOT_ASKED_FOR, Kind.NOT_ASKED_FOR, Kind.NOT_ASKED_FOR);
    }

    @Test
    void aKeyThatIsThereTwiceIsFound() {
        keys.add(keys.get(1));

        assertFound(Kind.KEY_TWICE);
    }

    /** A standby is promoted that hasn't heard what came in the second before. */
    private void promote(Instant at) {
        promotions.add(new Checker.Promotion(at.minusSeconds(1), at));
    }

    /** All that the cart's request had stored is gone with the primary, and its charge is not. */
    private void loseTheCompletion() {
        promote(Instant.now());
        keys.remove(0);
        orders.clear();
        reservations.clear();
    }

    @Test
    void whatWasLostWithAPrimaryIsCountedAndNoFinding() {
        loseTheCompletion();

        assertFound();
        assertThat(check().lost()).containsExactly(completion.key());
    }

    @Test
    void whatWasLostWithoutAPromotionIsFound() {
        loseTheCompletion();
        promotions.clear();

        assertFound(Kind.ANSWER_NOT_STORED, Kind.CHARGE_WITHOUT_ORDER);
    }

    /** It was left to its client, then brought to its end for it, and that is lost. */
    @Test
    void aKeyThatAPromotionGivesBackToItsClientIsCountedAndNoFinding() {
        loseTheCompletion();
        keys.add(unfinished(completion, "failed"));

        assertFound();
        assertThat(check().lost()).containsExactly(completion.key());
        promotions.clear();
        assertFound(Kind.NOT_ENDED, Kind.ANSWER_NOT_STORED, Kind.CHARGE_WITHOUT_ORDER);
    }

    @Test
    void aKeyThatIsStillLockedAfterAPromotionIsFound() {
        loseTheCompletion();
        keys.add(unfinished(completion, "locked"));

        assertFound(Kind.NOT_ENDED);
    }

    @Test
    void aKeyThatIsLostWithoutItsOrderIsFound() {
        promote(Instant.now());
        keys.remove(0);

        assertThat(check().anomalies()).extracting(Anomaly::kind).contains(Kind.EFFECT_WITHOUT_ANSWER);
    }

    @Test
    void anOrderThatIsLostWithoutItsKeyIsFound() {
        promote(Instant.now());
        orders.clear();

        assertFound(Kind.EFFECT_MISSING);
    }

    @Test
    void aRequestThatRanAnewAfterAPromotionIsCountedAndNoFinding() {
        loseTheCompletion();
        runAnew(completion);
        completion.answered(answer(201, NEW_BODY));

        assertFound();
        assertThat(check().lost()).containsExactly(completion.key());
    }

    @Test
    void aLostAnswerThatAShopStillKnowsIsCountedAndNoFinding() {
        loseTheCompletion();
        runAnew(completion);
        Instant later = Instant.now().plusSeconds(2);
        completion.answered(answer(201, NEW_BODY));
        completion.answered(new Sent.Answer(201, HEADERS, BODY, true, later, later));

        assertFound();
        assertThat(check().lost()).containsExactly(completion.key());
        promotions.clear();
        assertThat(check().anomalies()).extracting(Anomaly::kind).contains(Kind.ANSWER_CHANGED, Kind.ANSWER_NOT_STORED);
    }

    /** Each promotion excuses one more charge, but not because an old answer was heard again after it. */
    @Test
    void aThirdChargeIsFoundThoughTheLostAnswerIsHeardAfterTheNextPromotion() {
        loseTheCompletion();
        runAnew(completion);
        Instant later = Instant.now().plusSeconds(60);
        completion.answered(answer(201, NEW_BODY));
        promote(later);
        completion.answered(new Sent.Answer(201, HEADERS, BODY, true, later, later));
        charges.add(charge("ch-3", newCreation(), "cart-1"));

        assertFound(Kind.CHARGE_TWICE);
    }

    /** It was broken off when it was given. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aLostAnswerThatIsFirstHeardAfterAPromotionIsNoFindingIfItWasGivenBefore(boolean replayed) {
        Sent late = Sent.completion("cart-1", "{}", false);
        sent.set(0, late);
        loseTheCompletion();
        runAnew(late);
        Instant later = Instant.now().plusSeconds(2);
        late.answered(answer(201, NEW_BODY, later));
        late.answered(new Sent.Answer(201, HEADERS, BODY, replayed, later, later));

        assertFound(replayed ? new Kind[0] : new Kind[] {Kind.ANSWER_CHANGED, Kind.ANSWER_NOT_STORED});
    }

    @Test
    void aReplayThatChangesOfARequestThatWasSentAfterAPromotionIsFound() {
        promote(completion.first().minusMillis(1));
        completion.answered(new Sent.Answer(402, HEADERS, "declined", true, Instant.now(), Instant.now()));
        completion.answered(answer(201, BODY));

        assertFound(Kind.ANSWER_CHANGED);
    }

    /** What a standby that didn't know the request has stored of it. */
    private void runAnew(Sent request) {
        String again = newCreation();
        keys.add(finished(request, again, 201, NEW_BODY));
        orders.add(new Order("o-2", "cart-1", 1500, "ch-2"));
        reservations.add(new Reservation("cart-1", again, "ch-2"));
        charges.add(charge("ch-2", again, "cart-1"));
    }

    @Test
    void anAnswerThatChangesThoughNoPromotionLiesBetweenIsFound() {
        promote(Instant.now());
        completion.answered(answer(402, "declined"));
        completion.answered(answer(201, BODY));

        assertFound(Kind.ANSWER_CHANGED);
    }

    @Test
    void whatWasAnsweredAnHourBeforeAPromotionIsFoundToBeLost() {
        loseTheCompletion();
        promotions.clear();
        promote(Instant.now().plusSeconds(3600));

        assertFound(Kind.ANSWER_NOT_STORED, Kind.CHARGE_WITHOUT_ORDER);
    }

    @Test
    void whatWasLeftAnHourBeforeAPromotionIsFoundToBeLost() {
        promote(Instant.now().plusSeconds(3600));
        charges.add(charge("ch-2", newCreation(), "cart-2"));

        assertFound(Kind.CHARGE_WITHOUT_ORDER);
    }

    @Test
    void aChangedAnswerAndASecondChargeNineSecondsBeforeAPromotionAreFound() {
        promote(Instant.now().plusSeconds(9));
        completion.answered(answer(402, "declined"));
        completion.answered(answer(201, BODY));
        charges.add(charge("ch-2", newCreation(), "cart-1"));

        assertFound(Kind.ANSWER_CHANGED, Kind.CHARGE_TWICE);
    }

    @Test
    void anAnswerThatChangesTwiceInOnePromotionIsFound() {
        completion.answered(answer(402, "declined"));
        completion.answered(answer(201, BODY));
        promote(Instant.now());

        assertFound(Kind.ANSWER_CHANGED);
    }

    @Test
    void aSecondChargeWithTheSameDerivedKeyIsFoundAlsoWhereThereWasAPromotion() {
        promote(Instant.now());
        charges.add(charge("ch-2", creation, "cart-1"));

        assertFound(Kind.CHARGE_TWICE);
    }

    @Test
    void aThirdChargeIsFoundWhereThereWasOnePromotion() {
        promote(Instant.now());
        charges.add(charge("ch-2", newCreation(), "cart-1"));
        assertFound();

        charges.add(charge("ch-3", newCreation(), "cart-1"));
        assertFound(Kind.CHARGE_TWICE);
    }

    @Test
    void aLostAnswerThatIsHeardOnlyAfterItsRequestRanAnewIsCountedAndNoFinding() {
        Sent doubled = Sent.completion("cart-1", "{}", false);
        sent.set(0, doubled);
        loseTheCompletion();
        runAnew(doubled);
        Instant then = promotions.get(0).since();
        Instant now = Instant.now();
        doubled.answered(answer(201, NEW_BODY, now));
        doubled.answered(new Sent.Answer(201, HEADERS, BODY, false, then, now));

        assertFound();
        assertThat(check().lost()).containsExactly(doubled.key());
    }
}
