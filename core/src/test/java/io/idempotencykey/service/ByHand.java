package io.idempotencykey.service;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.service.History.Order;
import io.idempotencykey.service.History.Step;
import java.util.UUID;

/** A server that goes about an order by the six operations, without a declared one. */
final class ByHand {
    private final SimulatedWorld world;
    private final SimulatedServer server;
    private final Choices choices;

    ByHand(SimulatedWorld world, SimulatedServer server, Choices choices) {
        this.world = world;
        this.server = server;
        this.choices = choices;
    }

    /** What a client gets. */
    record Answer(UUID creation, String body, boolean replayed) {}

    /** Brings an order to its end, or throws what the library throws. */
    Answer answer(Order order) {
        IdempotencyKey key =
                server.service.initializeRequest(order.id().scope(), order.id().value(), order.request());
        if (key.state() instanceof KeyState.Finished finished) {
            return new Answer(key.creationId(), History.body(finished), true);
        }
        HeldKey held = server.service.lock(order.id());
        while (true) {
            StageResult result = next(held);
            world.me().begun.clear();
            if (result instanceof StageResult.Finished finished) {
                String body = SimulatedServer.text(finished.response());
                return new Answer(finished.key().creationId(), body, false);
            }
            held = between(((StageResult.Held) result).key());
        }
    }

    private StageResult next(HeldKey held) {
        if (held.recoveryPoint().equals(RecoveryPoint.STARTED)) {
            return server.service.workStage(held, stage -> {
                server.write(stage, Step.PAYMENT);
                return StageOutcome.advanceTo(SimulatedServer.PAID);
            });
        }
        return server.service.workStage(held, stage -> {
            server.write(stage, Step.ORDER);
            return StageOutcome.respond(SimulatedServer.response(
                    Order.answer(stage.key().id(), stage.request(), "call-" + world.me().call)));
        });
    }

    /** Between two stages the lease may be renewed, the key moved on without a stage, or given back. */
    private HeldKey between(HeldKey held) {
        switch (world.isSteady() ? 0 : choices.chooseRarely(4, 2)) {
            case 1 -> {
                return server.service.renew(held);
            }
            case 2 -> {
                StageResult moved = server.service.update(held, StageOutcome.advanceTo(SimulatedServer.INVOICED));
                return ((StageResult.Held) moved).key();
            }
            case 3 -> {
                IdempotencyKey open = server.service.unlock(held);
                throw new IdempotencyException.Locked(open.id(), Transitions.SOON);
            }
            default -> {
                return held;
            }
        }
    }

    /** What a holder may be told. */
    static boolean isPassing(Throwable failure) {
        return failure instanceof IdempotencyException.AlreadyFinished
                || failure instanceof IdempotencyException.NotFound;
    }
}
