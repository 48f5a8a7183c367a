package io.idempotencykey.service;

import io.idempotencykey.Isolation;
import java.time.Duration;

/** What the service's builder was told. */
record Settings(
        Duration lease,
        Duration timeToLive,
        int maxResponseBytes,
        int maxHeaderBytes,
        Isolation isolation,
        int maxTries,
        Duration firstPause,
        Duration longestPause,
        int replayCacheBytes,
        Environment environment,
        Events events) {}
