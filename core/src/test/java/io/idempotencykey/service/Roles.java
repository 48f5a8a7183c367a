package io.idempotencykey.service;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.service.History.Effect;
import io.idempotencykey.service.History.Order;
import io.idempotencykey.service.History.Role;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/** What the workers of a plot do: clients, completers, reapers and operators. */
final class Roles {
    /** A worker's calls are numbered from a multiple of this on. */
    private static final int CALLS = 1_000;

    private final SimulatedWorld world;
    private final Plot plot;
    private final Choices choices;
    private final List<SimulatedServer> servers = new ArrayList<>();
    private final List<SimulatedWorker> workers = new ArrayList<>();

    Roles(SimulatedWorld world, Plot plot, Choices choices) {
        this.world = world;
        this.plot = plot;
        this.choices = choices;
        for (int i = 0; i < plot.servers().size(); i++) {
            servers.add(server(i, i));
        }
        plot.clients().forEach(client -> add("client", Role.CLIENT, number -> ask(client, number)));
        if (plot.completers() > 0) {
            add("completer", Role.COMPLETER, this::complete);
        }
        for (int i = 0; i < plot.reapers(); i++) {
            add("reaper", Role.REAPER, this::reap);
        }
        if (plot.operators() > 0) {
            add("operator", Role.OPERATOR, this::operate);
        }
    }

    @FunctionalInterface
    private interface Part {
        void play(int number);
    }

    private void add(String name, Role role, Part part) {
        int number = workers.size();
        workers.add(new SimulatedWorker(name + " " + number, number, role, () -> part.play(number)));
    }

    List<SimulatedWorker> workers() {
        return workers;
    }

    private SimulatedServer server(int which, long seed) {
        Plot.Version version = plot.servers().get(which);
        return new SimulatedServer(world, "server " + which + " (" + version + ")", version, seed);
    }

    /** A small world's servers have seen nothing before, so that all that a worker knows is what it has seen itself. */
    private SimulatedServer anyServer(int call) {
        int which = choices.choose(plot.servers().size());
        world.me().saw(which);
        return plot.small() ? server(which, call) : servers.get(which);
    }

    private void ask(Plot.Client client, int number) {
        for (int i = 0; i < client.attempts(); i++) {
            int call = CALLS * (number + 1) + i;
            world.me().begins(call);
            if (ask(anyServer(call), client)) {
                return;
            }
            if (!plot.small()) {
                world.timePasses(Duration.ofSeconds(1));
            }
            world.pass();
        }
    }

    /** Sends a request once; says whether it was answered. */
    private boolean ask(SimulatedServer server, Plot.Client client) {
        SimulatedWorker me = world.me();
        Order order = client.order();
        Instant earliest = world.earliest();
        me.request = order.request();
        world.history().add(new History.Called(me.name, me.call, order, server.name));
        try {
            ByHand.Answer end =
                    client.isByHand() ? new ByHand(world, server, choices).answer(order) : run(server, client);
            world.history()
                    .add(new History.Answered(
                            me.name, me.call, order, end.creation(), end.body(), end.replayed(), earliest));
            return true;
        } catch (RuntimeException e) {
            List<Effect> denied = world.saysThatNothingIsWritten(e) ? List.copyOf(me.begun) : List.of();
            world.history().add(new History.Refused(me.name, me.call, order, e, denied));
            return false;
        }
    }

    private static ByHand.Answer run(SimulatedServer server, Plot.Client client) {
        Order order = client.order();
        Execution end = server.service.run(server.operation, order.id(), order.request(), client.waitAtMost());
        return new ByHand.Answer(end.key().creationId(), SimulatedServer.text(end.response()), end.replayed());
    }

    private void complete(int number) {
        SimulatedServer server = anyServer(CALLS * (number + 1));
        Duration abandonedAfter = choices.choose(2) == 0 ? Duration.ZERO : Plot.LEASE;
        Completer<List<Effect>> completer = completer(server, abandonedAfter);
        for (int i = 0; i < plot.completers(); i++) {
            world.me().begins(CALLS * (number + 1) + i);
            world.pass();
            quietly(completer::runOnce);
        }
    }

    private static Completer<List<Effect>> completer(SimulatedServer server, Duration abandonedAfter) {
        return Completer.builder(server.service)
                .operation(server.operation)
                .abandonedAfter(abandonedAfter)
                .build();
    }

    private void reap(int number) {
        Reaper reaper = new Reaper(anyServer(CALLS * (number + 1)).service);
        for (int i = 0; i < 2; i++) {
            world.me().begins(CALLS * (number + 1) + i);
            world.pass();
            quietly(reaper::runOnce);
        }
    }

    private void operate(int number) {
        OperatorActions actions = new OperatorActions(anyServer(CALLS * (number + 1)).service);
        for (int i = 0; i < plot.operators(); i++) {
            world.me().begins(CALLS * (number + 1) + i);
            world.pass();
            quietly(() -> {
                List<IdempotencyKey> listed = choices.choose(2) == 0
                        ? actions.listUnfinished(null, null, 10)
                        : actions.listQuarantined(null, null, 10);
                if (!listed.isEmpty()) {
                    act(actions, listed.get(choices.choose(listed.size())));
                }
                return listed.size();
            });
        }
    }

    /** An operator has looked at a key, and does something about it. */
    private void act(OperatorActions actions, IdempotencyKey listed) {
        String me = world.me().name;
        int action = choices.choose(3);
        IdempotencyKey changed = switch (action) {
            case 0 -> actions.retry(listed, me);
            case 1 ->
                actions.finish(
                        listed, SimulatedServer.response(Order.answer(listed.id(), listed.request(), "operator")), me);
            default -> actions.discard(listed, me);
        };
        String name = List.of("retry", "finish", "discard").get(action);
        world.history().add(new History.Operated(me, name, listed, changed.creationId()));
    }

    @FunctionalInterface
    private interface Errand {
        int run();
    }

    /** What the library refuses on the way is no client's affair. */
    private void quietly(Errand errand) {
        try {
            errand.run();
        } catch (IdempotencyException e) {
            world.tell("gets " + e.getClass().getSimpleName());
        }
    }

    /** Faults have ceased: what is left is completed, and every client asks once more. */
    void end() {
        world.landAll();
        // A lease that was taken over has grown, and a clock may have been set back.
        world.timePasses(Plot.LEASE.multipliedBy(Plan.LEASE_GROWTH).plusHours(11));
        Plot.Version version = plot.servers().stream().allMatch(each -> each == Plot.Version.ONE_STAGE)
                ? Plot.Version.ONE_STAGE
                : Plot.Version.THREE_STAGES;
        SimulatedServer newest =
                new SimulatedServer(world, "the newest server", version, CALLS * (long) (workers.size() + 2));
        SimulatedWorker completer = new SimulatedWorker("the last completer", -1, Role.COMPLETER, () -> {});
        world.alone(completer, () -> {
            Completer<List<Effect>> last = completer(newest, Duration.ZERO);
            for (int call = 1; call <= 3; call++) {
                completer.begins(call);
                last.runOnce();
                world.timePasses(Duration.ofMinutes(1));
            }
        });
        world.history().add(new History.Ended(List.copyOf(world.store().keys.values())));
        SimulatedWorker client = new SimulatedWorker("the last client", -1, Role.CLIENT, () -> {});
        Set<Plot.Client> clients = new LinkedHashSet<>();
        plot.clients().forEach(each -> clients.add(new Plot.Client(each.order(), 1, Duration.ZERO)));
        world.alone(client, () -> {
            int call = 10;
            for (Plot.Client each : clients) {
                client.begins(call++);
                ask(newest, each);
            }
        });
    }
}
