package io.idempotencykey.contract;

import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.service.Claim;
import io.idempotencykey.service.HeldKey;
import io.idempotencykey.service.StageOutcome;
import java.util.EnumSet;
import java.util.Set;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;

/** An operation of the service that writes once, from a key as it was left by others. */
enum Action {
    CREATE(State.ABSENT, Call.INSERT),
    CREATE_ANEW(State.EXPIRED, Call.REPLACE),
    INITIALIZE(State.ABSENT, Call.INSERT),
    CLAIM_NEW(State.ABSENT, Call.INSERT),
    CLAIM_OPEN(State.OPEN, Call.REPLACE),
    CLAIM_TAKEOVER(State.LEASE_OVER, Call.REPLACE),
    CLAIM_ANEW(State.EXPIRED, Call.REPLACE),
    LOCK(State.OPEN, Call.REPLACE),
    RENEW(State.OPEN, Call.REPLACE),
    UNLOCK(State.OPEN, Call.REPLACE),
    ADVANCE(State.OPEN, Call.REPLACE),
    RESPOND(State.OPEN, Call.REPLACE),
    WORK_STAGE(State.OPEN, Call.COMMIT_STAGE);

    final State from;
    final Call write;

    Action(State from, Call write) {
        this.from = from;
        this.write = write;
    }

    static final Set<Action> BY_HOLDERS = EnumSet.of(RENEW, UNLOCK, ADVANCE, RESPOND, WORK_STAGE);
    static final Set<Action> CLAIMS = EnumSet.of(CLAIM_NEW, CLAIM_OPEN, CLAIM_TAKEOVER, CLAIM_ANEW);

    /** Leaves the key as the action meets it, and returns the action. */
    <T> ThrowingCallable prepare(World<T> world) {
        world.put(from);
        if (BY_HOLDERS.contains(this)) {
            HeldKey held = world.other.lock(world.id);
            return () -> change(world, held);
        }
        return switch (this) {
            case CREATE, CREATE_ANEW -> () -> world.service.create(world.scope, world.id.value(), World.REQUEST);
            case INITIALIZE -> () -> world.service.initializeRequest(world.scope, world.id.value(), World.REQUEST);
            case LOCK -> () -> world.service.lock(world.id);
            default ->
                () -> {
                    Claim claim = world.service.claim(world.id, World.REQUEST);
                    if (World.isInFlight(claim)) {
                        throw new IdempotencyException.Locked(world.id, World.LEASE);
                    }
                };
        };
    }

    private <T> void change(World<T> world, HeldKey held) {
        switch (this) {
            case RENEW -> world.service.renew(held);
            case UNLOCK -> world.service.unlock(held);
            case ADVANCE -> world.service.update(held, StageOutcome.advanceTo(World.TAXED));
            case RESPOND -> world.service.update(held, World.respond());
            case WORK_STAGE -> world.service.workStage(held, world.inserting("a", World.respond()));
            default -> throw new IllegalStateException("a holder's change is expected");
        }
    }

    /** The key is as the action leaves it, made once. */
    <T> void assertDone(World<T> world) {
        KeyState state = world.state();
        boolean anew = from == State.ABSENT || from == State.EXPIRED;
        long attempts = anew ? 0 : 3;
        switch (this) {
            case CREATE, CREATE_ANEW, INITIALIZE -> assertThat(state).isInstanceOf(KeyState.Open.class);
            case UNLOCK -> {
                attempts++;
                assertThat(state).isInstanceOf(KeyState.Open.class);
            }
            case RESPOND, WORK_STAGE -> {
                attempts++;
                assertThat(state).isInstanceOf(KeyState.Finished.class);
            }
            default -> {
                attempts++;
                assertThat(state).isInstanceOf(KeyState.Locked.class);
            }
        }
        assertThat(world.key().attempts()).isEqualTo(attempts);
        assertThat(world.key().recoveryPoint())
                .isEqualTo(
                        this == ADVANCE
                                ? World.TAXED
                                : state instanceof KeyState.Finished ? RecoveryPoint.FINISHED : RecoveryPoint.STARTED);
        assertThat(world.read("a").isPresent()).isEqualTo(this == WORK_STAGE);
    }
}
