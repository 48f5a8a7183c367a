package io.idempotencykey.service;

import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.service.History.Effect;
import io.idempotencykey.service.History.Order;
import io.idempotencykey.service.History.Step;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.random.RandomGenerator;

/** One process of the application: a service of its own, and the operation as its version knows it. */
final class SimulatedServer {
    static final RecoveryPoint PAID = RecoveryPoint.named("paid");
    static final RecoveryPoint INVOICED = RecoveryPoint.named("invoiced");

    private final SimulatedWorld world;
    final String name;
    final IdempotencyKeyService<List<Effect>> service;
    final Operation<List<Effect>> operation;

    /** What the application answers by an exception. */
    static final class NoOrder extends Exception {
        private static final long serialVersionUID = 1L;

        private final String answer;

        NoOrder(String answer) {
            super(answer, null, false, false);
            this.answer = answer;
        }
    }

    SimulatedServer(SimulatedWorld world, String name, Plot.Version version, long seed) {
        this.world = world;
        this.name = name;
        this.service = IdempotencyKeyService.builder(world.store())
                .lease(Plot.LEASE)
                .timeToLive(Plot.TIME_TO_LIVE)
                .maxTries(3)
                .replayCacheBytes(world.knowsAnswers() ? ServiceBuilder.DEFAULT_REPLAY_CACHE_BYTES : 0)
                .environment(environment(world.randomness(seed)))
                .listener(event -> {
                    if (event instanceof KeyEvent.CompletionFailed failed) {
                        world.completionFailed(failed.key(), failed.cause());
                    } else if (event instanceof KeyEvent.Recalled) {
                        world.recalled();
                    }
                })
                .build();
        this.operation = operation(version);
    }

    private Environment environment(RandomGenerator random) {
        return new Environment() {
            @Override
            public RandomGenerator random() {
                return random;
            }

            @Override
            public long nanoTime() {
                return world.nanoTime();
            }

            @Override
            public void pause(Duration duration) {
                world.pause(duration);
            }
        };
    }

    private Operation<List<Effect>> operation(Plot.Version version) {
        Operation.Builder<List<Effect>> order =
                service.operation("order").answering(NoOrder.class, e -> response(e.answer));
        WorkStage.Action<List<Effect>> pay = stage -> write(stage, Step.PAYMENT);
        WorkStage.Answer<List<Effect>, Response> respond = this::order;
        WorkStage.Answer<List<Effect>, Response> all = stage -> {
            write(stage, Step.PAYMENT);
            return order(stage);
        };
        return switch (version) {
            case TWO_STAGES ->
                order.stage(RecoveryPoint.STARTED, pay).respond(PAID, respond).build();
            case THREE_STAGES ->
                order.completeAfterFailure()
                        .maxAttempts(2)
                        .backoff(Duration.ofSeconds(1), Duration.ofSeconds(10))
                        .stage(RecoveryPoint.STARTED, pay)
                        .stage(PAID, stage -> write(stage, Step.INVOICE))
                        .respond(INVOICED, respond)
                        .build();
            case ONE_STAGE -> order.respond(RecoveryPoint.STARTED, all).build();
            case ONE_STAGE_STAGED ->
                order.staged().respond(RecoveryPoint.STARTED, all).build();
        };
    }

    private Response order(StageContext<List<Effect>> stage) throws NoOrder {
        write(stage, Step.ORDER);
        Request request = stage.request();
        String answer = Order.answer(stage.key().id(), request, "call-" + world.me().call);
        if (Order.isBroken(request)) {
            world.fails(effect(stage, Step.ORDER));
        }
        if (Order.isRefused(request)) {
            throw new NoOrder(answer);
        }
        return response(answer);
    }

    void write(StageContext<List<Effect>> stage, Step step) {
        world.works(effect(stage, step), stage.transaction());
    }

    private Effect effect(StageContext<List<Effect>> stage, Step step) {
        return new Effect(stage.key().id(), stage.key().creationId(), step, world.me().call);
    }

    static String text(Response response) {
        return new String(response.body(), StandardCharsets.UTF_8);
    }

    static Response response(String body) {
        return Response.of(201, body.getBytes(StandardCharsets.UTF_8));
    }
}
