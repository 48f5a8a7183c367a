package io.idempotencykey.chaos;

import java.util.List;
import java.util.Map;

/** What a scenario came to. */
record Outcome(
        String scenario,
        String server,
        long seed,
        long secondsOfFaults,
        long secondsToSettle,
        Map<String, Long> requests,
        List<Map<String, Object>> faults,
        List<String> lost,
        List<Checker.Anomaly> anomalies) {}
