package io.idempotencykey.spring.web;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.idempotencykey.KeyId;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.service.IdempotencyKeyService;
import jakarta.servlet.Filter;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletRequestWrapper;
import java.net.http.HttpRequest;
import java.security.Principal;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.springframework.context.annotation.Bean;

/** The shop over a database in memory, with users who operate it, and without background work. */
final class OperatedShop {
    private static final RecoveryPoint CHARGED = RecoveryPoint.named("charged");

    private static final String USER = "X-User";
    private static final String ROLES = "X-Roles";

    private OperatedShop() {}

    /** Not found by the shop itself, whose other tests have no users. */
    static class Users {
        /** Authenticates whoever says a name. */
        @Bean
        Filter users() {
            return (request, response, chain) -> {
                HttpServletRequest asked = (HttpServletRequest) request;
                String name = asked.getHeader(USER);
                String roles = Objects.requireNonNullElse(asked.getHeader(ROLES), "");
                chain.doFilter(
                        new HttpServletRequestWrapper(asked) {
                            @Override
                            public @Nullable Principal getUserPrincipal() {
                                return name == null ? null : () -> name;
                            }

                            @Override
                            public boolean isUserInRole(String role) {
                                return List.of(roles.split(",")).contains(role);
                            }
                        },
                        response);
            };
        }
    }

    static Started start(String database, List<Class<?>> further, String... properties) {
        List<Class<?>> sources = new ArrayList<>(List.of(Shop.class, Users.class));
        sources.addAll(further);
        List<String> all = new ArrayList<>(List.of(
                "spring.datasource.url=jdbc:h2:mem:" + database + ";DB_CLOSE_DELAY=-1",
                "spring.jpa.hibernate.ddl-auto=create",
                "idempotency.background.enabled=false"));
        all.addAll(List.of(properties));
        return Started.of(sources, all.toArray(String[]::new));
    }

    /** The request of a user; of nobody without a name. */
    static Consumer<HttpRequest.Builder> by(@Nullable String name, String... roles) {
        return request -> {
            if (name != null) {
                request.header(USER, name).header(ROLES, String.join(",", roles));
            }
        };
    }

    /** A key whose second stage has failed once too often. */
    static <T> KeyId quarantined(IdempotencyKeyService<T> keys, KeyId id) {
        assertThat(catchThrowable(() -> keys.run(
                        keys.operation("charge")
                                .stage(RecoveryPoint.STARTED, stage -> {})
                                .respond(CHARGED, stage -> {
                                    throw new IllegalStateException("the provider says no");
                                })
                                .maxAttempts(1)
                                .build(),
                        id,
                        Request.of("POST", "/charges", Map.of("card", "secret-4711")))))
                .hasMessage("the provider says no");
        return id;
    }
}
