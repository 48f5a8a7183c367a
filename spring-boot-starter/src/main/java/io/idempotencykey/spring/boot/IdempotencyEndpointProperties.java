package io.idempotencykey.spring.boot;

import java.util.Set;
import org.springframework.boot.actuate.endpoint.Show;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;

/**
 * What the endpoint shows.
 *
 * @param showValues who is shown parameters, headers and bodies
 * @param roles the roles of users who are authorized; empty for every authenticated user
 */
@ConfigurationProperties(prefix = "management.endpoint.idempotency")
record IdempotencyEndpointProperties(
        @DefaultValue("never") Show showValues,
        @DefaultValue Set<String> roles) {}
