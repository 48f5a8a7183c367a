package io.idempotencykey.spring.boot;

import io.idempotencykey.console.ConsoleServlet;
import io.idempotencykey.console.KeyHistory;
import io.idempotencykey.service.IdempotencyKeyService;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import java.util.Set;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnProperty;
import org.springframework.boot.autoconfigure.condition.ConditionalOnWebApplication;
import org.springframework.boot.autoconfigure.condition.NoneNestedConditions;
import org.springframework.boot.web.servlet.ServletRegistrationBean;
import org.springframework.context.ApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Conditional;
import org.springframework.context.annotation.Configuration;
import org.springframework.util.ClassUtils;

/**
 * The operators' console, where the application gives it a path. It refuses whoever isn't authenticated, so that it is
 * open to nobody in an application without authentication.
 */
@Configuration(proxyBeanMethods = false)
@ConditionalOnWebApplication(type = ConditionalOnWebApplication.Type.SERVLET)
@ConditionalOnClass({HttpServlet.class, ConsoleServlet.class})
@ConditionalOnProperty("idempotency.console.path")
class ConsoleConfiguration {
    /** What a servlet's mapping takes as it is. */
    private static final Pattern PATH = Pattern.compile("(/[A-Za-z0-9._~-]+)+");

    /** Instead of a role, as in the Servlet specification, whose containers ask about it in constraints only. */
    private static final String EVERY_AUTHENTICATED_USER = "**";

    private static final String SPRING_SECURITY = "org.springframework.security.web.csrf.CsrfToken";

    /** Unless the application wants none. */
    static final class HasHistory extends NoneNestedConditions {
        HasHistory() {
            super(ConfigurationPhase.REGISTER_BEAN);
        }

        @ConditionalOnProperty(name = "idempotency.console.history", havingValue = "0")
        static final class None {}
    }

    @Bean
    @ConditionalOnMissingBean
    @Conditional(HasHistory.class)
    KeyHistory idempotencyKeyHistory(IdempotencyProperties properties) {
        try {
            return new KeyHistory(properties.console().history());
        } catch (IllegalArgumentException e) {
            throw new StoreSetupException(
                    "The property 'idempotency.console.history' is out of bounds: " + e.getMessage(),
                    "Change the property; 0 is for no history.",
                    e);
        }
    }

    @Bean
    @ConditionalOnMissingBean(name = "idempotencyConsole")
    ServletRegistrationBean<ConsoleServlet> idempotencyConsole(
            IdempotencyKeyService<?> keys,
            ObjectProvider<KeyHistory> history,
            IdempotencyProperties properties,
            ApplicationContext application) {
        IdempotencyProperties.Console console = properties.console();
        ConsoleServlet.Builder builder = ConsoleServlet.builder(keys)
                .mayAct(hasOneOf(console.actRoles()))
                .maySeeValues(hasOneOf(console.valueRoles()));
        history.ifUnique(builder::history);
        if (ClassUtils.isPresent(SPRING_SECURITY, application.getClassLoader())) {
            builder.sendsAlong(SpringSecurityToken::header);
        }
        return new ServletRegistrationBean<>(builder.build(), checked(console.path()) + "/*");
    }

    /** The console asks about users only whom it lets in, which are authenticated. */
    private static Predicate<HttpServletRequest> hasOneOf(Set<String> roles) {
        return roles.contains(EVERY_AUTHENTICATED_USER)
                ? request -> true
                : request -> roles.stream().anyMatch(request::isUserInRole);
    }

    private static String checked(@Nullable String path) {
        if (path == null || !PATH.matcher(path).matches()) {
            throw new StoreSetupException(
                    "The property 'idempotency.console.path' is '" + path + "', which the operators' console can't have"
                            + " as its path.",
                    "Let it begin with '/', end without one, and have letters, digits, '-', '.', '_' and '~' between,"
                            + " such as '/operator/keys'; or remove it, for an application without the console.",
                    null);
        }
        return path;
    }
}
