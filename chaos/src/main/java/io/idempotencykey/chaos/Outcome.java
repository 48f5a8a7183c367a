package io.idempotencykey.chaos;

import java.util.List;
import java.util.Map;

/**
 * What a scenario came to.
 *
 * @param exceptions how often each type of exception is in the shops' logs
 * @param problems why the run hasn't shown what it is for
 */
record Outcome(
        String scenario,
        String server,
        long seed,
        long secondsOfFaults,
        long secondsToSettle,
        Map<String, Long> requests,
        Map<String, Long> exceptions,
        List<Faults.Made> faults,
        List<String> lost,
        List<Checker.Anomaly> anomalies,
        List<String> problems) {}
