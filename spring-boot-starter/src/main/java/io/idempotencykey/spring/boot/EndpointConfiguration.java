package io.idempotencykey.spring.boot;

import io.idempotencykey.service.IdempotencyKeyService;
import org.springframework.boot.actuate.autoconfigure.endpoint.condition.ConditionalOnAvailableEndpoint;
import org.springframework.boot.actuate.endpoint.web.annotation.WebEndpoint;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.context.properties.EnableConfigurationProperties;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

/** The actuator's endpoint, where it is exposed. */
@Configuration(proxyBeanMethods = false)
@ConditionalOnClass({WebEndpoint.class, ConditionalOnAvailableEndpoint.class})
@EnableConfigurationProperties(IdempotencyEndpointProperties.class)
class EndpointConfiguration {
    @Bean
    @ConditionalOnMissingBean
    @ConditionalOnAvailableEndpoint
    IdempotencyEndpoint idempotencyEndpoint(IdempotencyKeyService<?> keys, IdempotencyEndpointProperties properties) {
        return new IdempotencyEndpoint(keys, properties);
    }
}
