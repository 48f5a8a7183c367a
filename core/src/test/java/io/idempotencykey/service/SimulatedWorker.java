package io.idempotencykey.service;

import io.idempotencykey.Request;
import io.idempotencykey.port.Revision;
import io.idempotencykey.service.History.Effect;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Someone who acts, on a thread of a crew. */
final class SimulatedWorker {
    final String name;
    final int number;
    final History.Role role;
    final Runnable part;
    Thread thread = Thread.currentThread();
    boolean hasBegun;
    boolean isGone;

    /** The call at hand, and what its stage at hand has begun to write. */
    int call;

    Request request = Request.of("POST", "/", Map.of());

    final List<Effect> begun = new ArrayList<>();
    private @Nullable Revision held;
    boolean answerLost;

    /** All that it has seen of the world since its call began. */
    long seen;

    SimulatedWorker(String name, int number, History.Role role, Runnable part) {
        this.name = name;
        this.number = number;
        this.role = role;
        this.part = part;
    }

    void begins(int call) {
        this.call = call;
        begun.clear();
        held = null;
        answerLost = false;
        seen = call;
    }

    /** Another stage is run with another revision. */
    void runsWith(Revision revision) {
        if (!revision.equals(held)) {
            held = revision;
            begun.clear();
            answerLost = false;
        }
    }

    void saw(long what) {
        seen = SimulatedWorld.mixed(seen, what);
    }
}
