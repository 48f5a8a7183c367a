package io.idempotencykey.service;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.Response;
import io.idempotencykey.port.StoredKey;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Whoever has lost a key, in whichever way, changes nothing. */
class StaleHolderTest {
    /** What a holder may want to do with its key. */
    enum Change {
        ADVANCE {
            @Override
            void make(World world, HeldKey held) {
                world.service.update(held, StageOutcome.advanceTo(World.PAID));
            }
        },
        RESPOND {
            @Override
            void make(World world, HeldKey held) {
                world.service.update(held, StageOutcome.respond(Response.of(500, new byte[0])));
            }
        },
        UNLOCK {
            @Override
            void make(World world, HeldKey held) {
                world.service.unlock(held);
            }
        },
        RENEW {
            @Override
            void make(World world, HeldKey held) {
                world.service.renew(held);
            }
        },
        WORK_STAGE {
            @Override
            void make(World world, HeldKey held) {
                world.service.workStage(held, world.inserting("stale", World.respond()));
            }
        };

        abstract void make(World world, HeldKey held);
    }

    /** How a holder can lose its key. */
    enum Loss {
        UNLOCKED {
            @Override
            void happen(World world, HeldKey held) {
                world.other.unlock(held);
            }
        },
        RENEWED {
            @Override
            void happen(World world, HeldKey held) {
                world.other.renew(held);
            }
        },
        ADVANCED {
            @Override
            void happen(World world, HeldKey held) {
                world.other.update(held, StageOutcome.advanceTo(World.TAXED));
            }
        },
        FINISHED {
            @Override
            void happen(World world, HeldKey held) {
                world.other.update(held, World.respond());
            }
        },
        TAKEN_OVER {
            @Override
            void happen(World world, HeldKey held) {
                world.pass(World.LEASE);
                world.other.lock(world.id);
            }
        },
        TAKEN_OVER_AND_GIVEN_BACK {
            @Override
            void happen(World world, HeldKey held) {
                world.pass(World.LEASE);
                world.other.unlock(world.other.lock(world.id));
            }
        },
        CREATED_ANEW_AND_HELD {
            @Override
            void happen(World world, HeldKey held) {
                world.other.update(held, World.respond());
                world.pass(World.TIME_TO_LIVE);
                world.other.claim(world.id, World.REQUEST);
            }
        };

        abstract void happen(World world, HeldKey held);
    }

    static Stream<Arguments> changesAfterLosses() {
        return Arrays.stream(Change.values())
                .flatMap(change -> Arrays.stream(Loss.values()).map(loss -> Arguments.of(change, loss)));
    }

    @ParameterizedTest
    @MethodSource("changesAfterLosses")
    void aStaleHolderChangesNothing(Change change, Loss loss) {
        World world = new World();
        HeldKey held = world.hold();
        loss.happen(world, held);
        StoredKey after = world.stored();

        assertThatExceptionOfType(IdempotencyException.StaleKey.class)
                .isThrownBy(() -> change.make(world, held))
                .satisfies(e -> assertThat(e.httpStatus()).isEqualTo(409))
                .satisfies(e -> assertThat(e.keyId()).contains(world.id));

        assertThat(world.find()).contains(after);
        assertThat(world.read("stale")).isEmpty();
    }

    /** The change was made, and its answer lost; then its key was lost, too. */
    @ParameterizedTest
    @EnumSource(
            names = {"RESPOND", "WORK_STAGE"},
            mode = EnumSource.Mode.EXCLUDE)
    void aHolderWhoseChangeWasMadeIsNotToldThatItIsStale(Change change) {
        World world = new World();
        HeldKey held = world.hold();
        world.store.next(Call.REPLACE, Fault.MADE_BUT_UNANSWERED);
        world.store.before(Call.REPLACE, () -> {
            world.pass(World.LEASE);
            world.other.lock(world.id);
        });

        assertThatExceptionOfType(IdempotencyException.OutcomeUnknown.class)
                .isThrownBy(() -> change.make(world, held))
                .satisfies(e -> assertThat(e.keyId()).contains(world.id))
                .havingCause()
                .withMessageContaining("UNKNOWN");

        assertThat(world.key().attempts()).isEqualTo(2);
    }

    @ParameterizedTest
    @EnumSource
    void everyChangeOfAKeyHasARevisionOfItsOwn(Change change) {
        World world = new World();
        HeldKey held = world.hold();
        StoredKey before = world.stored();

        change.make(world, held);

        assertThat(world.stored().revision()).isNotEqualTo(before.revision());
        assertThatExceptionOfType(IdempotencyException.StaleKey.class).isThrownBy(() -> world.service.unlock(held));
    }
}
