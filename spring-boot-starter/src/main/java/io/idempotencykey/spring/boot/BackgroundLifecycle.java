package io.idempotencykey.spring.boot;

import io.idempotencykey.service.Background;
import java.time.Duration;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.springframework.context.SmartLifecycle;

/**
 * Starts the background work last, when the application is ready, and stops it first, while pools and clients are still
 * open.
 */
final class BackgroundLifecycle implements SmartLifecycle {
    private final Supplier<Background> start;
    private final Duration stopWithin;
    private volatile @Nullable Background running;

    BackgroundLifecycle(Supplier<Background> start, Duration stopWithin) {
        this.start = start;
        this.stopWithin = stopWithin;
    }

    @Override
    public void start() {
        running = start.get();
    }

    @Override
    public void stop() {
        Background background = running;
        if (background != null) {
            background.stop(stopWithin);
            running = null;
        }
    }

    @Override
    public boolean isRunning() {
        return running != null;
    }
}
