package io.idempotencykey.inmemory;

import io.idempotencykey.inmemory.InMemoryContractTest.Rows;
import io.idempotencykey.port.KeyStore;
import java.util.function.BiFunction;
import java.util.function.Function;

/** Stores that are wrong in one respect, each with a case of the contract that notices it. */
enum Mutant {
    REPLACES_BLINDLY(
            "replaces whatever is stored",
            "KeyCases.replaceWithAnotherRevisionChangesNothing",
            WrongKeys::replacesBlindly),
    COMPARES_HALF_REVISIONS(
            "compares 64 bits of a revision",
            "KeyCases.revisionsThatDifferInOneBitAreDifferent",
            WrongKeys::comparesHalfRevisions),
    KEEPS_THE_REVISION(
            "keeps a key's first revision",
            "KeyCases.replaceWithAnEarlierRevisionChangesNothing",
            WrongKeys::keepsTheRevision),
    REPLACES_THE_ABSENT(
            "makes a key that it was to replace",
            "KeyCases.replaceOfAMissingKeyMakesNone",
            WrongKeys::replacesTheAbsent),
    COMPARES_BEFORE_IT_REPLACES(
            "compares in one step and replaces in another",
            "RaceCases.aFreeKeyIsTakenByOneOfManyThreads",
            WrongKeys::comparesBeforeItReplaces),
    LOOKS_AT_A_COPY_FIRST(
            "finds a key as it was at this thread's last look",
            "LinearizabilityCases.thereIsAnOrderThatExplainsWhatThreadsAreToldOfAKey",
            WrongKeys::looksAtACopyFirst),
    INSERTS_OVER_THE_EXPIRED(
            "inserts over an expired key", "KeyCases.insertLeavesAKeyAsItIs", WrongKeys::insertsOverTheExpired),
    INSERTS_OVER("inserts over a key", "KeyCases.insertLeavesAKeyAsItIs", WrongKeys::insertsOver),
    SAYS_THAT_IT_INSERTED(
            "says that it inserted a key that was there",
            "KeyCases.insertLeavesAKeyAsItIs",
            WrongKeys::saysThatItInserted),
    LOOKS_BEFORE_IT_INSERTS(
            "looks for a key in one step and inserts in another",
            "RaceCases.aValueIsCreatedByOneOfManyThreads",
            WrongKeys::looksBeforeItInserts),
    GIVES_THE_KEY_THAT_IT_WAS_TO_INSERT(
            "gives back the key that it was to insert, though another is there",
            "KeyCases.whoInsertsOrFindsAStoredKeyFindsIt",
            WrongKeys::givesTheKeyThatItWasToInsert),
    FINDS_NOTHING_WHERE_IT_INSERTS_NOTHING(
            "finds nothing where it inserts nothing",
            "KeyCases.whoInsertsOrFindsAStoredKeyFindsIt",
            WrongKeys::findsNothingWhereItInsertsNothing),
    FINDS_WITHOUT_INSERTING(
            "looks for a key without inserting it",
            "KeyCases.whoInsertsOrFindsAnAbsentKeyInsertsIt",
            WrongKeys::findsWithoutInserting),
    DOES_NOT_FIND_THE_KEY_THAT_IT_INSERTED(
            "doesn't find a key that an earlier try has inserted",
            "KeyCases.whoInsertsAKeyAgainFindsIt",
            WrongKeys::doesNotFindTheKeyThatItInserted),
    MISSES_THE_EXPIRED(
            "doesn't find expired keys", "KeyCases.anInsertedKeyIsFoundAsItWas", WrongKeys::missesTheExpired),
    REMEMBERS_THE_FINISHED(
            "remembers finished keys that are replaced",
            "KeyCases.everyStateReplacesEveryOther",
            WrongKeys::remembersTheFinished),
    IGNORES_CASE("takes upper and lower case for one", "KeyCases.similarNamesAreDifferentKeys", WrongKeys::ignoresCase),
    IGNORES_THE_SCOPE(
            "knows a key by its value alone", "KeyCases.similarNamesAreDifferentKeys", WrongKeys::ignoresTheScope),
    JOINS_SCOPE_AND_VALUE(
            "joins scope and value by a slash", "KeyCases.similarNamesAreDifferentKeys", WrongKeys::joinsScopeAndValue),
    CUTS_VALUES("compares 254 characters of a value", "KeyCases.similarNamesAreDifferentKeys", WrongKeys::cutsValues),
    CUTS_TIMES("keeps times to the second", "KeyCases.anInsertedKeyIsFoundAsItWas", WrongKeys::cutsTimes),
    CUTS_ERRORS("keeps 255 characters of an error", "KeyCases.aReplacedKeyIsFoundAsItWas", WrongKeys::cutsErrors),
    CUTS_COUNTERS("keeps 32 bits of the attempts", "KeyCases.anInsertedKeyIsFoundAsItWas", WrongKeys::cutsCounters),
    ROUNDS_NUMBERS(
            "keeps numbers as floating point", "KeyCases.parametersAreKeptWithoutLoss", WrongKeys::roundsNumbers),
    LOSES_PARAMETERS(
            "loses parameters that are null", "KeyCases.parametersAreKeptWithoutLoss", WrongKeys::losesParameters),
    DECODES_BODIES("keeps bodies as text", "CommitCases.responsesAreKeptByteForByte", WrongKeys::decodesBodies),
    MERGES_HEADERS("keeps one value of a header", "CommitCases.responsesAreKeptByteForByte", WrongKeys::mergesHeaders),
    GOES_BACK_IN_TIME("goes back in time", "KeyCases.theStoresTimeDoesNotGoBack", WrongKeys::goesBackInTime),
    CARRIES_TIME_FOR_A_DAY(
            "lets its time be carried on for a day",
            "KeyCases.aReadingOfTheTimeIsCarriedOnForAMinuteOrSo",
            WrongKeys::carriesTimeForADay),
    HAS_NO_ISOLATION("has no isolation", "KeyCases.theStoreSaysWhichIsolationsItHas", WrongKeys::hasNoIsolation),
    PROMISES_AN_ISOLATION(
            "says that it has an isolation in which no stage runs",
            "CommitCases.aStageCommitsInEveryIsolationThatTheStoreHas",
            WrongStages::promisesAnIsolation),
    PROMISES_AN_ISOLATION_OF_SINGLE_STAGES(
            "says that it has an isolation in which no single stage runs",
            "SingleCommitCases.aSingleStageCommitsInEveryIsolationThatTheStoreHas",
            WrongSingleStages::promisesAnIsolationOfSingleStages),

    COMMITS_WITHOUT_THE_FENCE(
            "commits a stage whatever the key's revision",
            "CommitCases.aStageIsFencedOffByAnotherRevision",
            WrongStages::commitsWithoutTheFence),
    COMPARES_BEFORE_THE_WORK(
            "compares the revision before the stage's work",
            "CommitCases.aStageWhoseKeyChangesMeanwhileIsNotCommitted",
            WrongStages::comparesBeforeTheWork),
    COMMITS_THE_ABSENT(
            "commits a stage whose key isn't there",
            "CommitCases.aStageOfAMissingKeyIsFencedOff",
            WrongStages::commitsTheAbsent),
    COMMITS_ROWS_FIRST(
            "commits the rows, and then changes the key",
            "CommitCases.aStageIsFencedOffByAnotherRevision",
            WrongStages::commitsRowsFirst),
    COMMITS_THE_KEY_FIRST(
            "changes the key, and then commits the rows",
            "CommitCases.ofTwoStagesThatInsertOneRowOneIsCommittedWithItsKey",
            WrongStages::commitsTheKeyFirst),
    COMMITS_A_HALF(
            "moves the key after an error that rolled the rows back",
            "CommitCases.aSwallowedErrorNeverMovesTheKeyWithoutTheStagesWrites",
            WrongStages::commitsAHalf),
    KEEPS_ROWS(
            "keeps the rows of a stage that threw",
            "CommitCases.whatAStageThrowsRollsItBackAndComesBackAsItIs",
            WrongStages::keepsRows),
    WRAPS_EXCEPTIONS(
            "wraps what a stage throws",
            "CommitCases.whatAStageThrowsRollsItBackAndComesBackAsItIs",
            WrongStages::wrapsExceptions),
    SWALLOWS_EXCEPTIONS(
            "says that a stage that threw was fenced off",
            "CommitCases.whatAStageThrowsRollsItBackAndComesBackAsItIs",
            WrongStages::swallowsExceptions),
    THROWS_EXCEPTIONS(
            "throws what a stage throws",
            "CommitCases.whatAStageThrowsRollsItBackAndComesBackAsItIs",
            WrongStages::throwsExceptions),
    RETRIES_EXCEPTIONS(
            "takes what a stage throws for transient",
            "CommitCases.aDuplicateOfTheApplicationsOwnIsTheApplicationsError",
            WrongStages::retriesExceptions),
    LOSES_THE_ANSWER(
            "says that a stage that it committed was rolled back",
            "CommitCases.aStageCommitsInEveryIsolationThatTheStoreHas",
            WrongStages::losesTheAnswer),
    GUESSES_THE_ANSWER(
            "says that a stage that was fenced off may be committed",
            "CommitCases.aStageIsFencedOffByAnotherRevision",
            WrongStages::guessesTheAnswer),
    WORKS_TWICE(
            "calls a stage's work twice",
            "CommitCases.aStagesWorkIsCalledOnceOnTheCallersThread",
            WrongStages::worksTwice),
    WORKS_ELSEWHERE(
            "calls a stage's work on another thread",
            "CommitCases.aStagesWorkIsCalledOnceOnTheCallersThread",
            WrongStages::worksElsewhere),
    LEAVES_HANDLES_OPEN(
            "leaves a handle usable after its stage",
            "ServiceCases.aStagesHandleRefusesUseAfterTheStage",
            WrongStages::leavesHandlesOpen),
    LEAVES_HANDLES_OPEN_AFTER_AN_EXCEPTION(
            "leaves a handle usable after its stage threw",
            "ServiceCases.aStagesHandleRefusesUseAfterTheStageThrew",
            WrongStages::leavesHandlesOpenAfterAnException),
    RUNS_ONE_STAGE_AT_A_TIME(
            "runs one stage at a time",
            "CommitCases.aStageDoesNotWaitForTheStageOfAnotherKey",
            WrongStages::runsOneStageAtATime),
    LOSES_HANDLES(
            "has no handle left after ten stages that threw",
            "CommitCases.aStoreGoesOnAfterAFailedStage",
            WrongStages::losesHandles),

    DOES_NOT_HOLD(
            "runs two single stages of one key at once",
            "SingleCommitCases.aKeyThatAnotherSingleStageHasTakenIsHeld",
            WrongSingleStages::doesNotHold),
    HOLDS_EVERY_KEY(
            "runs one single stage at a time",
            "SingleCommitCases.keysOfAnotherValueOrScopeAreNotHeld",
            WrongSingleStages::holdsEveryKey),
    HOLDS_REPLAYS(
            "holds a key while it asks whether to replace it",
            "SingleCommitCases.aKeyThatASingleStageLeavesIsNotHeldByIt",
            WrongSingleStages::holdsReplays),
    NEVER_FREES(
            "holds the key of a single stage that threw",
            "SingleCommitCases.aTakenKeyIsFreeAsSoonAsItsSingleStageHasEnded",
            WrongSingleStages::neverFrees),
    SHOWS_THE_KEY(
            "shows a single stage's key before its commit",
            "SingleCommitCases.nothingOfASingleStagesKeyIsVisibleBeforeItsCommit",
            WrongSingleStages::showsTheKey),
    LEAVES_THE_KEY(
            "leaves the key of a single stage that threw",
            "SingleCommitCases.whatASingleStageThrowsLeavesNoKeyAndComesBackAsItIs",
            WrongSingleStages::leavesTheKey),
    STORES_WHAT_WAS_TAKEN(
            "stores a single stage's key as it was taken",
            "SingleCommitCases.aKeyStoredByASingleStageIsFoundAsItWas",
            WrongSingleStages::storesWhatWasTaken),
    REPLACES_EVERYTHING(
            "replaces a key that the single stage leaves",
            "SingleCommitCases.aStoredKeyThatTheSingleStageLeavesFencesItOffBeforeItsWork",
            WrongSingleStages::replacesEverything),
    REPLACES_NOTHING(
            "leaves a key that the single stage replaces",
            "SingleCommitCases.aStoredKeyThatTheSingleStageReplacesIsMadeAnew",
            WrongSingleStages::replacesNothing),
    KEEPS_THE_CREATION(
            "keeps the creation of a key that a single stage replaces",
            "SingleCommitCases.aStoredKeyThatTheSingleStageReplacesIsMadeAnew",
            WrongSingleStages::keepsTheCreation),
    OVERWRITES_WHAT_CAME(
            "overwrites a key that was inserted during a single stage",
            "SingleCommitCases.ofASingleStageAndAKeyThatIsInsertedMeanwhileOneIsKept",
            WrongSingleStages::overwritesWhatCame),
    REVIVES_WHAT_WENT(
            "stores a key that was deleted during a single stage",
            "SingleCommitCases.ofASingleStageAndADeletionMeanwhileOneIsMade",
            WrongSingleStages::revivesWhatWent),

    DELETES_THE_UNFINISHED(
            "deletes unfinished keys",
            "ListingCases.onlyFinishedAndFailedKeysPastTheirExpiryAreDeleted",
            WrongListings::deletesTheUnfinished),
    DELETES_THE_QUARANTINED(
            "deletes quarantined keys",
            "ListingCases.onlyFinishedAndFailedKeysPastTheirExpiryAreDeleted",
            WrongListings::deletesTheQuarantined),
    DELETES_TOO_EARLY(
            "deletes keys a millisecond too early",
            "ListingCases.onlyFinishedAndFailedKeysPastTheirExpiryAreDeleted",
            WrongListings::deletesTooEarly),
    DELETES_TOO_LATE(
            "deletes keys a millisecond too late",
            "ListingCases.onlyFinishedAndFailedKeysPastTheirExpiryAreDeleted",
            WrongListings::deletesTooLate),
    DELETES_WHAT_CAME_ANEW(
            "deletes an expired key that was made anew",
            "ListingCases.anExpiredKeyThatWasCreatedAnewIsNotDeleted",
            WrongListings::deletesWhatCameAnew),
    DELETES_WITHOUT_LIMIT(
            "deletes more than the limit",
            "ListingCases.noMoreThanTheLimitAreDeleted",
            WrongListings::deletesWithoutLimit),
    RESUMES_WITHOUT_LIMIT(
            "lists more resumable keys than the limit",
            "ListingCases.theLongestWaitingAreResumedFirstAndNoMoreThanTheLimit",
            WrongListings::resumesWithoutLimit),
    RESUMES_THE_NEWEST(
            "lists the resumable keys that wait shortest first",
            "ListingCases.theLongestWaitingAreResumedFirstAndNoMoreThanTheLimit",
            WrongListings::resumesTheNewest),
    RESUMES_THE_HELD(
            "lists keys as resumable at the instant at which their lease ends",
            "ListingCases.onlyKeysThatNobodyWorksOnAreResumable",
            WrongListings::resumesTheHeld),
    FORGETS_THE_DEAD(
            "doesn't list keys whose lease is over",
            "ListingCases.onlyKeysThatNobodyWorksOnAreResumable",
            WrongListings::forgetsTheDead),
    RESUMES_EVERY_OPERATION(
            "lists resumable keys of every operation",
            "ListingCases.resumableKeysAreFoundByOperationAndPoint",
            WrongListings::resumesEveryOperation),
    RESUMES_EVERY_POINT(
            "lists resumable keys of every recovery point of an operation",
            "ListingCases.resumableKeysAreFoundByOperationAndPoint",
            WrongListings::resumesEveryPoint),
    FORGETS_AN_OPERATION(
            "lists resumable keys of one operation alone",
            "ListingCases.resumableKeysAreFoundByOperationAndPoint",
            WrongListings::forgetsAnOperation),
    LIMITS_BEFORE_IT_CHOOSES(
            "applies the limit to resumable keys before it chooses those of the operations",
            "ListingCases.resumableKeysAreFoundByOperationAndPoint",
            WrongListings::limitsBeforeItChooses),
    RESUMES_WHAT_WAS_TAKEN(
            "lists keys as resumable that were taken",
            "ListingCases.aKeyThatIsNoLongerResumableIsNotFound",
            WrongListings::resumesWhatWasTaken),
    MIXES_SCOPES(
            "lists the resumable keys of two scopes together",
            "ListingCases.resumableKeysAreFoundScopeByScope",
            WrongListings::mixesScopes),
    STAYS_IN_A_SCOPE(
            "lists the first scope's resumable keys over and over",
            "ListingCases.resumableKeysAreFoundScopeByScope",
            WrongListings::staysInAScope),
    STAYS_ON_A_PAGE(
            "lists the first quarantined keys over and over",
            "ListingCases.quarantinedKeysAreFoundTheLongestWaitingFirst",
            WrongListings::staysOnAPage),
    LISTS_WITHOUT_LIMIT(
            "lists more quarantined keys than the limit",
            "ListingCases.quarantinedKeysAreFoundTheLongestWaitingFirst",
            WrongListings::listsWithoutLimit),
    LISTS_BY_VALUE(
            "lists quarantined keys in the order of their values",
            "ListingCases.quarantinedKeysAreFoundTheLongestWaitingFirst",
            WrongListings::listsByValue),
    COUNTS_THE_HELD(
            "counts keys that are held until the instant",
            "ListingCases.theBacklogIsWhatNobodyWorksOnInAllScopes",
            WrongListings::countsTheHeld),
    COUNTS_ONE_SCOPE(
            "counts one scope's keys",
            "ListingCases.theBacklogIsWhatNobodyWorksOnInAllScopes",
            WrongListings::countsOneScope),
    COUNTS_NO_QUARANTINED(
            "counts no quarantined keys",
            "ListingCases.theBacklogIsWhatNobodyWorksOnInAllScopes",
            WrongListings::countsNoQuarantined),
    DATES_THE_BACKLOG_LATE(
            "dates the backlog by the first scope's longest wait",
            "ListingCases.theBacklogIsWhatNobodyWorksOnInAllScopes",
            WrongListings::datesTheBacklogLate),
    LISTS_THE_UNFINISHED_SCOPE_BY_SCOPE(
            "lists unfinished keys scope by scope",
            "ListingCases.unfinishedKeysAreFoundTheLongestWaitingFirst",
            WrongListings::listsTheUnfinishedScopeByScope),
    PASSES_OVER_THE_REST_OF_AN_INSTANT(
            "passes over the unfinished keys that are due with the last one of a page",
            "ListingCases.unfinishedKeysAreFoundTheLongestWaitingFirst",
            WrongListings::passesOverTheRestOfAnInstant),
    LISTS_ONE_SCOPE_OF_THE_UNFINISHED(
            "lists no unfinished keys of another scope than that of the last one",
            "ListingCases.unfinishedKeysAreFoundTheLongestWaitingFirst",
            WrongListings::listsOneScopeOfTheUnfinished),
    LISTS_THE_UNFINISHED_OF_EVERY_SCOPE(
            "lists unfinished keys of every scope where one is asked for",
            "ListingCases.unfinishedKeysAreFoundTheLongestWaitingFirst",
            WrongListings::listsTheUnfinishedOfEveryScope),
    LISTS_THE_OPEN_AS_THE_UNFINISHED(
            "lists open keys alone as unfinished",
            "ListingCases.unfinishedKeysAreFoundTheLongestWaitingFirst",
            WrongListings::listsTheOpenAsTheUnfinished),
    COUNTS_THE_RESTING_BY_OPERATION(
            "counts resting keys by operation",
            "ListingCases.theBacklogIsCountedOperationByOperation",
            WrongListings::countsTheRestingByOperation),
    COUNTS_BY_OPERATION_WITHOUT_LIMIT(
            "counts more keys by operation than it was asked to",
            "ListingCases.theBacklogIsCountedOperationByOperation",
            WrongListings::countsByOperationWithoutLimit),
    COUNTS_THE_YOUNGEST_BY_OPERATION(
            "counts the keys by operation that have waited the shortest",
            "ListingCases.theBacklogIsCountedOperationByOperation",
            WrongListings::countsTheYoungestByOperation),
    COUNTS_THE_WAITING_OF_OPERATIONS_ONLY(
            "counts no operation of which keys are quarantined only",
            "ListingCases.theBacklogIsCountedOperationByOperation",
            WrongListings::countsTheWaitingOfOperationsOnly);

    private final String what;
    private final String noticedBy;
    // A reference to a static method, which has no state.
    @SuppressWarnings("ImmutableEnumChecker")
    private final BiFunction<KeyStore<Rows>, InMemoryTransactions<Rows>, KeyStore<Rows>> wrong;

    Mutant(
            String what,
            String noticedBy,
            BiFunction<KeyStore<Rows>, InMemoryTransactions<Rows>, KeyStore<Rows>> wrong) {
        this.what = what;
        this.noticedBy = noticedBy;
        this.wrong = wrong;
    }

    Mutant(String what, String noticedBy, Function<KeyStore<Rows>, KeyStore<Rows>> wrong) {
        this(what, noticedBy, (right, application) -> wrong.apply(right));
    }

    /** What is wrong with it, after "a store that". */
    String what() {
        return what;
    }

    /** A case of the contract that fails. */
    String noticedBy() {
        return noticedBy;
    }

    /** A new, wrong store. */
    KeyStore<Rows> over(InMemoryTransactions<Rows> application) {
        return wrong.apply(new InMemoryKeyStore<>(application), application);
    }
}
