package io.idempotencykey.service;

import static io.idempotencykey.RecoveryPoint.STARTED;
import static io.idempotencykey.service.World.TAXED;

import io.idempotencykey.RecoveryPoint;
import java.time.Duration;
import java.util.List;

/** Operations of a shop that the tests run, and who completes them. */
final class Carts {
    static final String NAME = "complete-cart";
    static final Duration THRESHOLD = Duration.ofSeconds(60);
    static final Duration DAY = Duration.ofDays(1);

    private Carts() {}

    /** What a shop throws. */
    static final class OutOfStock extends RuntimeException {
        private static final long serialVersionUID = 1L;

        OutOfStock() {
            super("no \n left");
        }
    }

    /** Three stages, each of which inserts a row of its own: one that commits twice would meet its own row. */
    static Operation<List<String>> threeStages(World world) {
        return world.service
                .operation(NAME)
                .branch(RecoveryPoint.STARTED, world.inserting("tax", StageOutcome.advanceTo(World.TAXED)))
                .branch(World.TAXED, world.inserting("payment", StageOutcome.advanceTo(World.PAID)))
                .branch(World.PAID, world.inserting("order", World.respond()))
                .build();
    }

    static Operation<List<String>> twoStages(World world) {
        return world.service
                .operation(NAME)
                .branch(STARTED, world.inserting("tax", StageOutcome.advanceTo(TAXED)))
                .branch(TAXED, world.inserting("order", World.respond()))
                .build();
    }

    /** Fails at {@code started}, is completed all the same, and responds at {@code tax_lines_created}. */
    static Operation.Builder<List<String>> failing(World world) {
        return world.service
                .operation(NAME)
                .completeAfterFailure()
                .branch(STARTED, stage -> {
                    world.insert(stage, "never");
                    throw new OutOfStock();
                })
                .branch(TAXED, stage -> World.respond());
    }

    static Operation<List<String>> responding(World world) {
        WorkStage<List<String>> unexpected = stage -> {
            throw new AssertionError("not to be run");
        };
        return world.service
                .operation(NAME)
                .branch(STARTED, unexpected)
                .branch(TAXED, stage -> World.respond())
                .build();
    }

    static Completer<List<String>> completer(World world, Operation<List<String>> operation) {
        // A service of its own, as another process has.
        return completer(world.builder(world.store).build(), operation);
    }

    static Completer<List<String>> completer(
            IdempotencyKeyService<List<String>> service, Operation<List<String>> operation) {
        return Completer.builder(service)
                .operation(operation)
                .abandonedAfter(THRESHOLD)
                .build();
    }
}
