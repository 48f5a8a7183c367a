package io.idempotencykey.spring.boot;

import org.springframework.boot.diagnostics.AbstractFailureAnalyzer;
import org.springframework.boot.diagnostics.FailureAnalysis;

/** Says what to change when the application can't start. */
final class StoreSetupFailureAnalyzer extends AbstractFailureAnalyzer<StoreSetupException> {
    @Override
    protected FailureAnalysis analyze(Throwable failure, StoreSetupException cause) {
        return new FailureAnalysis(cause.getMessage(), cause.action(), cause);
    }
}
