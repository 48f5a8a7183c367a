package io.idempotencykey.spring.boot;

import io.idempotencykey.Backlog;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.OperatorActions;
import org.springframework.boot.actuate.autoconfigure.health.ConditionalOnEnabledHealthIndicator;
import org.springframework.boot.actuate.health.Health;
import org.springframework.boot.actuate.health.HealthIndicator;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

/** Whether the store can be read, for Spring Boot 3. What waits in it is no reason to end an instance. */
@Configuration(proxyBeanMethods = false)
@ConditionalOnClass({HealthIndicator.class, ConditionalOnEnabledHealthIndicator.class})
class HealthInBoot3Configuration {
    @Bean
    @ConditionalOnEnabledHealthIndicator("idempotency")
    @ConditionalOnMissingBean(name = "idempotencyHealthIndicator")
    HealthIndicator idempotencyHealthIndicator(IdempotencyKeyService<?> keys) {
        OperatorActions actions = new OperatorActions(keys);
        return () -> {
            try {
                Backlog backlog = actions.backlog();
                return Health.up()
                        .withDetail("waiting", backlog.waiting())
                        .withDetail("quarantined", backlog.quarantined())
                        .build();
            } catch (RuntimeException e) {
                return Health.down(e).build();
            }
        };
    }
}
