package io.idempotencykey.spring.boot;

import io.idempotencykey.micrometer.BacklogMetrics;
import io.idempotencykey.micrometer.KeyMetrics;
import io.idempotencykey.micrometer.StageObservations;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.OperatorActions;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.observation.ObservationRegistry;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnSingleCandidate;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

/** Metrics and observations, where the application has one registry for them, or one that is the primary of several. */
@Configuration(proxyBeanMethods = false)
@ConditionalOnClass({MeterRegistry.class, ObservationRegistry.class})
class MetricsConfiguration {
    @Bean
    @ConditionalOnSingleCandidate(MeterRegistry.class)
    @ConditionalOnMissingBean
    KeyMetrics idempotencyKeyMetrics(MeterRegistry registry) {
        return new KeyMetrics(registry);
    }

    /** Bound to the registries by Spring Boot. */
    @Bean
    @ConditionalOnSingleCandidate(MeterRegistry.class)
    @ConditionalOnMissingBean
    BacklogMetrics idempotencyBacklogMetrics(IdempotencyKeyService<?> keys) {
        return new BacklogMetrics(new OperatorActions(keys));
    }

    @Bean
    @ConditionalOnSingleCandidate(ObservationRegistry.class)
    @ConditionalOnMissingBean
    StageObservations idempotencyStageObservations(ObservationRegistry registry) {
        return new StageObservations(registry);
    }
}
