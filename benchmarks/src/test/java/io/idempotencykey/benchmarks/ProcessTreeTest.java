package io.idempotencykey.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class ProcessTreeTest {
    @Test
    void timeOfEndedChildrenCounts() {
        String stat = "42 (a (b) c) S 1 42 42 0 -1 4194560 100 200 0 0 3 4 50 600 20 0 1 0 100";

        assertThat(ProcessTree.ticks(stat)).isEqualTo(657);
    }
}
