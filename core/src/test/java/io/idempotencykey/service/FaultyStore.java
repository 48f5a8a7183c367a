package io.idempotencykey.service;

import io.idempotencykey.Fingerprint;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyCreation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyProgress;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.service.History.Effect;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.function.BooleanSupplier;

/** A simulated store that makes one mistake, or makes core look as if it made one. */
final class FaultyStore extends SimulatedStore {
    private static final Duration LONG = Duration.ofDays(1_000);

    private final SeededBug bug;

    FaultyStore(SimulatedWorld world, SeededBug bug) {
        super(world);
        this.bug = bug;
    }

    @Override
    public Instant time() {
        boolean isAhead = bug == SeededBug.TIME_OF_THE_SERVER && world.me().number == 1;
        return super.time().plus(isAhead ? Plot.TIME_TO_LIVE : Duration.ZERO);
    }

    @Override
    public Optional<StoredKey> find(KeyId id) {
        Optional<StoredKey> found = super.find(id);
        if (bug == SeededBug.SCOPE_IGNORED && found.isEmpty()) {
            return keys.values().stream()
                    .filter(key -> key.id().value().equals(id.value()))
                    .findFirst();
        }
        return found.map(this::seen);
    }

    private StoredKey seen(StoredKey stored) {
        IdempotencyKey key = stored.key();
        KeyCreation creation = key.creation();
        KeyProgress progress = key.progress();
        KeyState state = key.state();
        switch (bug) {
            case FINGERPRINT_IGNORED ->
                creation = new KeyCreation(
                        creation.id(),
                        creation.creationId(),
                        creation.operation(),
                        creation.request(),
                        Fingerprint.of(creation.operation(), world.me().request),
                        creation.createdAt());
            case EXPIRED_COUNTS_AS_PRESENT -> {
                if (state instanceof KeyState.Finished finished) {
                    state = new KeyState.Finished(
                            finished.response(),
                            finished.finishedAt(),
                            finished.expiresAt().plus(LONG));
                }
            }
            case RESPONSE_CUT -> {
                if (state instanceof KeyState.Finished finished) {
                    String body = History.body(finished);
                    state = new KeyState.Finished(
                            SimulatedServer.response(body.substring(0, body.length() / 2)),
                            finished.finishedAt(),
                            finished.expiresAt());
                }
            }
            case UNKNOWN_POINT_TAKEN_FOR_ANOTHER -> {
                if (key.recoveryPoint().equals(SimulatedServer.INVOICED)) {
                    state = at(SimulatedServer.PAID, state);
                }
            }
            case QUARANTINE_IGNORED -> {
                if (state instanceof KeyState.Quarantined quarantined) {
                    state = new KeyState.Open(quarantined.recoveryPoint(), quarantined.since());
                }
            }
            default -> {}
        }
        boolean isUnknown = bug == SeededBug.OWN_REVISION_NOT_RECOGNIZED && state instanceof KeyState.Finished;
        Revision revision = isUnknown ? new Revision(creation.creationId()) : stored.revision();
        return new StoredKey(new IdempotencyKey(creation, with(progress, state)), revision);
    }

    private static KeyState at(RecoveryPoint point, KeyState state) {
        if (state instanceof KeyState.Open open) {
            return new KeyState.Open(point, open.resumableFrom());
        }
        return state instanceof KeyState.Locked locked
                ? new KeyState.Locked(point, locked.lockedAt(), locked.leaseEnds())
                : state;
    }

    private static KeyProgress with(KeyProgress progress, KeyState state) {
        return new KeyProgress(
                state, progress.attempts(), progress.failedAttempts(), progress.lastError(), progress.updatedAt());
    }

    @Override
    boolean insertIfAbsent(StoredKey key, List<Effect> written) {
        return switch (bug) {
            case INSERT_OVERWRITES -> put(key, written);
            case SINGLE_STAGE_OVERWRITES -> written.isEmpty() ? super.insertIfAbsent(key, written) : put(key, written);
            case INSERT_STORES_NOTHING -> true;
            case LOST_RACE_TOLD_AS_AN_ERROR -> {
                if (keys.containsKey(key.id())) {
                    throw world.failure(StoreFailure.Kind.REFUSED);
                }
                yield super.insertIfAbsent(key, written);
            }
            case ANSWER_NOT_STORED -> isAnswer(key, written) || super.insertIfAbsent(key, written);
            default -> super.insertIfAbsent(key, written);
        };
    }

    @Override
    boolean compareAndSet(Revision expected, StoredKey next, List<Effect> written) {
        boolean isBlind = switch (bug) {
            case BLIND_WRITE -> written.isEmpty();
            case FENCE_LEFT_OUT -> !written.isEmpty();
            case LATE_COMMIT_WITHOUT_FENCE -> world.isLanding();
            default -> false;
        };
        if (isBlind) {
            return put(next, written);
        }
        if (bug == SeededBug.ANSWER_NOT_STORED && isAnswer(next, written)) {
            return true;
        }
        boolean done = super.compareAndSet(expected, next, written);
        if (!done && bug == SeededBug.EFFECTS_WITHOUT_THE_KEY) {
            keep(written);
        }
        return done;
    }

    /** What an exception has answered, which no stage's commit stores. */
    private static boolean isAnswer(StoredKey next, List<Effect> written) {
        return written.isEmpty() && next.key().state() instanceof KeyState.Finished;
    }

    @Override
    boolean put(StoredKey next, List<Effect> written) {
        IdempotencyKey key = next.key();
        KeyCreation creation = key.creation();
        KeyProgress progress = key.progress();
        switch (bug) {
            case ATTEMPTS_FORGOTTEN ->
                progress = new KeyProgress(key.state(), 1, key.failedAttempts(), key.lastError(), progress.updatedAt());
            case CREATION_REWRITTEN ->
                creation = new KeyCreation(
                        key.id(),
                        creation.creationId(),
                        creation.operation(),
                        creation.request(),
                        creation.fingerprint(),
                        progress.updatedAt());
            case LEASE_DOES_NOT_GROW -> {
                if (key.state() instanceof KeyState.Locked locked) {
                    progress = with(
                            progress,
                            new KeyState.Locked(
                                    locked.recoveryPoint(),
                                    locked.lockedAt(),
                                    Transitions.millis(locked.lockedAt().plus(Plot.LEASE))));
                }
            }
            default -> {}
        }
        return super.put(new StoredKey(new IdempotencyKey(creation, progress), next.revision()), written);
    }

    @Override
    StageCommit rolledBack(Exception failure, List<Effect> written) {
        if (bug == SeededBug.EFFECTS_KEPT_AFTER_ROLLBACK) {
            keep(written);
        }
        return bug == SeededBug.FAILURE_TOLD_AS_CONFLICT
                ? StageCommit.transientlyRolledBack(failure)
                : super.rolledBack(failure, written);
    }

    @Override
    StageCommit conflicting(StoredKey next, BooleanSupplier commit) {
        switch (bug) {
            case KEY_WITHOUT_THE_EFFECTS -> {
                StoredKey stored = keys.get(next.id());
                boolean isHeld = stored != null
                        && stored.key().creationId().equals(next.key().creationId());
                return isHeld && put(next, List.of()) ? StageCommit.committed() : StageCommit.fencedOff();
            }
            case CONFLICT_TOLD_AS_FAILURE_THOUGH_COMMITTED -> {
                boolean committed = commit.getAsBoolean();
                world.tell(committed ? "the store commits, and says that it didn't" : "the fence holds");
                return StageCommit.rolledBack(new SimulatedWorld.Broken());
            }
            default -> {
                return super.conflicting(next, commit);
            }
        }
    }

    @Override
    StageCommit unanswered(SimulatedWorker me) {
        return switch (bug) {
            case LOST_ANSWER_TOLD_AS_FAILURE -> StageCommit.rolledBack(new SimulatedWorld.Broken());
            case LOST_ANSWER_TOLD_AS_COMMIT -> StageCommit.committed();
            default -> super.unanswered(me);
        };
    }

    @Override
    void abandon(KeyId id) {
        if (bug != SeededBug.DEAD_HOLD_THEIR_KEYS) {
            super.abandon(id);
        }
    }

    @Override
    Instant dueAt(StoredKey key) {
        KeyState state = key.key().state();
        if (bug == SeededBug.LEFT_TO_CLIENT_COMPLETED && state instanceof KeyState.Failed) {
            return Instant.MIN;
        }
        return bug == SeededBug.ABANDONED_NOT_FOUND && state instanceof KeyState.Locked
                ? Instant.MAX
                : super.dueAt(key);
    }

    @Override
    boolean isExpired(StoredKey key, Instant at) {
        KeyState state = key.key().state();
        boolean isOld = !at.isBefore(key.key().createdAt().plus(Plot.TIME_TO_LIVE));
        return switch (bug) {
            case UNFINISHED_REAPED -> isOld || super.isExpired(key, at);
            case QUARANTINED_REAPED -> state instanceof KeyState.Quarantined || super.isExpired(key, at);
            case REAPED_EARLY -> super.isExpired(key, at.plus(Plot.TIME_TO_LIVE));
            default -> super.isExpired(key, at);
        };
    }
}
