package io.idempotencykey.service;

import io.idempotencykey.RecoveryPoint;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;

/** The ways from stage to stage of an operation: all begin at {@code started}, and none leads in a circle. */
record StageGraph(String operation, Map<RecoveryPoint, ? extends StageDefinition<?>> stages) {
    /** Refuses a graph in which a request could get lost. */
    void check() {
        if (!stages.containsKey(RecoveryPoint.STARTED)) {
            throw illegal(operation, "has no stage at '" + RecoveryPoint.STARTED + "', where every request begins");
        }
        stages.forEach((at, stage) -> stage.targets().forEach(target -> {
            if (!stages.containsKey(target)) {
                throw illegal(operation, "advances from '" + at + "' to '" + target + "', where no stage begins");
            }
        }));
        Set<RecoveryPoint> reached = new LinkedHashSet<>();
        visit(RecoveryPoint.STARTED, reached, new ArrayDeque<>());
        for (RecoveryPoint at : stages.keySet()) {
            if (!reached.contains(at)) {
                throw illegal(operation, "has a stage at '" + at + "' that no way from 'started' leads to");
            }
        }
    }

    private void visit(RecoveryPoint at, Set<RecoveryPoint> reached, Deque<RecoveryPoint> way) {
        if (way.contains(at)) {
            throw illegal(operation, "can go in a circle through '" + at + "'");
        }
        StageDefinition<?> stage = stages.get(at);
        if (reached.add(at) && stage != null) {
            way.push(at);
            stage.targets().forEach(target -> visit(target, reached, way));
            way.pop();
        }
    }

    static IllegalStateException illegal(String operation, String what) {
        return new IllegalStateException("operation '" + operation + "' " + what);
    }
}
