package io.idempotencykey.spring.boot;

import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import io.idempotencykey.spring.web.IdempotencyExceptionResolver;
import io.idempotencykey.spring.web.IdempotentHandlerAdapter;
import io.idempotencykey.spring.web.KeyScope;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnWebApplication;
import org.springframework.context.ApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.core.env.Environment;
import org.springframework.web.servlet.DispatcherServlet;
import org.springframework.web.servlet.mvc.method.annotation.RequestMappingHandlerAdapter;

/** Idempotent handler methods of Spring MVC. */
@Configuration(proxyBeanMethods = false)
@ConditionalOnWebApplication(type = ConditionalOnWebApplication.Type.SERVLET)
@ConditionalOnClass({DispatcherServlet.class, RequestMappingHandlerAdapter.class})
class HttpConfiguration {
    /** What makes the body of errors without one, in every version of Spring Boot. */
    private static final String ERROR_CONTROLLER = "basicErrorController";

    @Bean
    @ConditionalOnMissingBean
    IdempotentHandlerAdapter<?> idempotentHandlerAdapter(
            IdempotencyKeyService<?> keys,
            ObjectProvider<Operation<?>> operations,
            ObjectProvider<KeyScope> scope,
            IdempotencyProperties properties,
            ApplicationContext application) {
        return adapter(
                keys,
                operations.orderedStream().toList(),
                scope.getIfAvailable(KeyScope::principal),
                properties,
                errorPage(properties.http(), application));
    }

    private static <T> IdempotentHandlerAdapter<T> adapter(
            IdempotencyKeyService<T> keys,
            List<Operation<?>> operations,
            KeyScope scope,
            IdempotencyProperties properties,
            @Nullable String errorPage) {
        IdempotencyProperties.Http http = properties.http();
        @SuppressWarnings("unchecked") // An application's operations are its service's.
        List<Operation<T>> own = (List<Operation<T>>) (List<?>) operations;
        IdempotentHandlerAdapter.Builder<T> builder = IdempotentHandlerAdapter.builder(keys)
                .operations(own)
                .scope(scope)
                .header(http.header())
                .keyRequired(http.keyRequired())
                .waitAtMost(http.waitAtMost())
                .maxRequestBytes(Math.toIntExact(http.maxRequestSize().toBytes()));
        if (http.storedHeaders() != null) {
            builder.storedHeaders(http.storedHeaders());
        }
        if (errorPage != null) {
            builder.errorPage(errorPage);
        }
        return builder.build();
    }

    private static @Nullable String errorPage(IdempotencyProperties.Http http, ApplicationContext application) {
        if (http.errorPage() != null || !application.containsBean(ERROR_CONTROLLER)) {
            return http.errorPage();
        }
        Environment environment = application.getEnvironment();
        String servlet = environment.getProperty("spring.mvc.servlet.path", "/");
        return (servlet.endsWith("/") ? servlet.substring(0, servlet.length() - 1) : servlet)
                + environment.getProperty(
                        "spring.web.error.path", environment.getProperty("server.error.path", "/error"));
    }

    @Bean
    @ConditionalOnMissingBean
    IdempotencyExceptionResolver idempotencyExceptionResolver(ObjectProvider<RequestMappingHandlerAdapter> adapters) {
        return new IdempotencyExceptionResolver(() -> adapters.getObject().getMessageConverters());
    }
}
