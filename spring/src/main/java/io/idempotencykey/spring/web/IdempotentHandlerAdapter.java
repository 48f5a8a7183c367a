package io.idempotencykey.spring.web;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.lang.reflect.Method;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.springframework.beans.factory.BeanFactoryUtils;
import org.springframework.beans.factory.SmartInitializingSingleton;
import org.springframework.context.ApplicationContext;
import org.springframework.context.ApplicationContextAware;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.core.Ordered;
import org.springframework.core.annotation.AnnotationAwareOrderComparator;
import org.springframework.format.datetime.standard.DurationFormatterUtils;
import org.springframework.web.method.HandlerMethod;
import org.springframework.web.servlet.HandlerAdapter;
import org.springframework.web.servlet.ModelAndView;
import org.springframework.web.servlet.mvc.method.RequestMappingInfoHandlerMapping;
import org.springframework.web.servlet.mvc.method.annotation.RequestMappingHandlerAdapter;

/**
 * Runs the handler methods of Spring MVC that are {@link Idempotent}; all others stay with the application's own
 * adapter.
 *
 * <p>An application needs a bean of this type and an {@link IdempotencyExceptionResolver}. Argument resolvers, message
 * converters and validation are those of the application's {@link RequestMappingHandlerAdapter}, and the application's
 * exception resolvers answer what a handler method throws. When the application starts, each annotation is checked, and
 * one that would have no effect is refused.
 *
 * <p>Blocks while a request runs. Safe for many threads.
 *
 * @param <T> the store's transaction handle
 */
public final class IdempotentHandlerAdapter<T>
        implements HandlerAdapter, Ordered, ApplicationContextAware, SmartInitializingSingleton {
    /** The header that the key comes in, unless another one is set. */
    public static final String DEFAULT_HEADER = "Idempotency-Key";

    /** The header that tells a client that its response was stored before: {@code true}, or the header isn't there. */
    public static final String REPLAYED_HEADER = "Idempotency-Replayed";

    /** The longest request body, in bytes, unless another one is set. */
    public static final int DEFAULT_MAX_REQUEST_BYTES = 2 * 1024 * 1024;

    /**
     * The headers that are stored with a response, in lower case, unless others are set. Not among them are cookies,
     * headers of the connection, the date, and what security filters set anew for each response.
     */
    public static final Set<String> DEFAULT_STORED_HEADERS = Set.of(
            "cache-control",
            "content-disposition",
            "content-encoding",
            "content-language",
            "content-location",
            "content-type",
            "etag",
            "expires",
            "last-modified",
            "link",
            "location",
            "retry-after",
            "vary");

    private final IdempotencyKeyService<T> keys;
    private final Builder<T> settings;
    private final Map<Method, Endpoint<T>> endpoints = new ConcurrentHashMap<>();
    private @Nullable ApplicationContext context;
    private @Nullable HandlerInvoker invoker;

    private IdempotentHandlerAdapter(Builder<T> settings) {
        this.keys = settings.keys;
        this.settings = settings;
    }

    /**
     * Begins to make an adapter.
     *
     * @param <T> the store's transaction handle
     * @param keys the service, which runs in the application's own transactions
     * @return the builder
     */
    public static <T> Builder<T> builder(IdempotencyKeyService<T> keys) {
        return new Builder<>(keys);
    }

    /**
     * Settings of an adapter, each with a default; not safe for many threads.
     *
     * @param <T> the store's transaction handle
     */
    public static final class Builder<T> {
        private final IdempotencyKeyService<T> keys;
        private final Map<String, Operation<T>> operations = new HashMap<>();
        private KeyScope scope = KeyScope.principal();
        private String header = DEFAULT_HEADER;
        private boolean keyRequired = true;
        private @Nullable Duration lease;
        private @Nullable Isolation isolation;
        private Duration waitAtMost = Duration.ZERO;
        private Set<String> storedHeaders = DEFAULT_STORED_HEADERS;
        private int maxRequestBytes = DEFAULT_MAX_REQUEST_BYTES;
        private @Nullable String errorPage;

        private Builder(IdempotencyKeyService<T> keys) {
            this.keys = Objects.requireNonNull(keys, "argument 'keys' is null; a service is required");
        }

        /**
         * Declared operations, for {@link Idempotent#operation()}. Default: none.
         *
         * @param operations made by the service of this adapter
         * @return this
         * @throws IllegalArgumentException if two of them have one name
         */
        public Builder<T> operations(Collection<Operation<T>> operations) {
            for (Operation<T> operation : operations) {
                if (this.operations.putIfAbsent(operation.name(), operation) != null) {
                    throw new IllegalArgumentException("argument 'operations' has two operations of the name '"
                            + operation.name() + "'; allowed: one of each name");
                }
            }
            return this;
        }

        /**
         * Whose keys a request's key is among. Default: {@link KeyScope#principal()}.
         *
         * @param scope the scope of a request
         * @return this
         */
        public Builder<T> scope(KeyScope scope) {
            this.scope = Objects.requireNonNull(scope, "argument 'scope' is null; a scope is required");
            return this;
        }

        /**
         * The header that the key comes in. Default: {@link #DEFAULT_HEADER}.
         *
         * @param header its name
         * @return this
         */
        public Builder<T> header(String header) {
            this.header = Objects.requireNonNull(header, "argument 'header' is null; a header's name is required");
            return this;
        }

        /**
         * Whether clients have to send a key, where the annotation leaves it open. Default: they have to.
         *
         * @param keyRequired {@code false} to run requests without a key without any guarantee
         * @return this
         */
        public Builder<T> keyRequired(boolean keyRequired) {
            this.keyRequired = keyRequired;
            return this;
        }

        /**
         * The lease, where the annotation has none. Default: the service's.
         *
         * @param lease 1 millisecond to 24 hours
         * @return this
         */
        public Builder<T> lease(Duration lease) {
            this.lease = Objects.requireNonNull(lease, "argument 'lease' is null; a duration is required");
            return this;
        }

        /**
         * The isolation, where the annotation has none. Default: the service's.
         *
         * @param isolation one that the store has
         * @return this
         */
        public Builder<T> isolation(Isolation isolation) {
            this.isolation = Objects.requireNonNull(isolation, "argument 'isolation' is null; one is required");
            return this;
        }

        /**
         * How long a request waits while another one with its key runs, before it gets 409. Default: not at all.
         *
         * @param waitAtMost 0 to 24 hours
         * @return this
         * @throws IllegalArgumentException if it is out of bounds
         */
        public Builder<T> waitAtMost(Duration waitAtMost) {
            Objects.requireNonNull(waitAtMost, "argument 'waitAtMost' is null; 0 is not to wait");
            if (waitAtMost.isNegative() || waitAtMost.compareTo(Duration.ofHours(24)) > 0) {
                throw new IllegalArgumentException(
                        "argument 'waitAtMost' is " + waitAtMost + "; allowed: 0 to 24 hours");
            }
            this.waitAtMost = waitAtMost;
            return this;
        }

        /**
         * The headers that are stored with a response and come again with its replay. Default: {@link
         * #DEFAULT_STORED_HEADERS}.
         *
         * @param names in any case
         * @return this
         */
        public Builder<T> storedHeaders(Collection<String> names) {
            this.storedHeaders =
                    names.stream().map(name -> name.toLowerCase(Locale.ROOT)).collect(Collectors.toUnmodifiableSet());
            return this;
        }

        /**
         * The longest request body, which is kept in memory; a longer one gets 413. Default: {@link
         * #DEFAULT_MAX_REQUEST_BYTES}.
         *
         * @param maxRequestBytes 0 or more
         * @return this
         * @throws IllegalArgumentException if it is negative
         */
        public Builder<T> maxRequestBytes(int maxRequestBytes) {
            if (maxRequestBytes < 0 || maxRequestBytes == Integer.MAX_VALUE) {
                throw new IllegalArgumentException("argument 'maxRequestBytes' is " + maxRequestBytes
                        + "; allowed: 0 to " + (Integer.MAX_VALUE - 1));
            }
            this.maxRequestBytes = maxRequestBytes;
            return this;
        }

        /**
         * The path within the application of the page that makes the body of an error without one, as {@code
         * ResponseStatusException} is, so that the body is stored, too. Default: none, and such a response has no body.
         *
         * @param path such as {@code /error}
         * @return this
         */
        public Builder<T> errorPage(String path) {
            this.errorPage = Objects.requireNonNull(path, "argument 'path' is null; a path is required");
            return this;
        }

        /**
         * Makes the adapter.
         *
         * @return a bean, which needs the application's context before it can run
         */
        public IdempotentHandlerAdapter<T> build() {
            return new IdempotentHandlerAdapter<>(this);
        }
    }

    /** Returns the highest precedence: the application's own adapter would take the same methods. */
    @Override
    public int getOrder() {
        return Ordered.HIGHEST_PRECEDENCE;
    }

    @Override
    public void setApplicationContext(ApplicationContext context) {
        this.context = context;
    }

    /**
     * Checks all handler methods.
     *
     * @throws IllegalStateException if an annotation can't have its effect; the message says what to change
     */
    @Override
    public void afterSingletonsInstantiated() {
        ApplicationContext application = Objects.requireNonNull(context, "the adapter is no bean of an application");
        invoker = HandlerInvoker.of(application, settings.errorPage);
        Map<String, Endpoint<T>> byName = new HashMap<>();
        Set<Method> handlers = new HashSet<>();
        for (RequestMappingInfoHandlerMapping mapping : application
                .getBeansOfType(RequestMappingInfoHandlerMapping.class)
                .values()) {
            for (HandlerMethod handler : mapping.getHandlerMethods().values()) {
                if (supports(handler) && handlers.add(handler.getMethod())) {
                    checkComesFirst(handler, application);
                    Endpoint<T> endpoint = endpoint(handler);
                    if (endpoint.operation().isEmpty() && byName.put(endpoint.name(), endpoint) != null) {
                        throw new IllegalStateException("@Idempotent on " + handler + ": another method has the name '"
                                + endpoint.name() + "', too; give each its own, as by @Idempotent(\"place-order\")");
                    }
                }
            }
        }
        if (application instanceof ConfigurableApplicationContext configurable) {
            IdempotentMethods.checkAllAreAmong(handlers, configurable);
        }
    }

    private void checkComesFirst(HandlerMethod handler, ApplicationContext application) {
        List<HandlerAdapter> adapters = new ArrayList<>(
                BeanFactoryUtils.beansOfTypeIncludingAncestors(application, HandlerAdapter.class, true, false)
                        .values());
        AnnotationAwareOrderComparator.sort(adapters);
        for (HandlerAdapter each : adapters) {
            // Of two with one order, nothing says which comes first.
            boolean mayComeFirst = each != this && each instanceof Ordered other && other.getOrder() <= getOrder();
            if (mayComeFirst && each.supports(handler)) {
                throw new IllegalStateException("@Idempotent on " + handler + " has no effect: "
                        + each.getClass().getName() + " has the highest precedence, too; give it a lower one");
            }
        }
    }

    @Override
    public boolean supports(Object handler) {
        return handler instanceof HandlerMethod method && method.hasMethodAnnotation(Idempotent.class);
    }

    private Endpoint<T> endpoint(HandlerMethod handler) {
        return endpoints.computeIfAbsent(handler.getMethod(), method -> {
            Idempotent annotation = Objects.requireNonNull(handler.getMethodAnnotation(Idempotent.class));
            boolean isKnown = handler.getBean() instanceof String name
                    && Objects.requireNonNull(context).isSingleton(name);
            HandlerMethod resolved = isKnown ? handler.createWithResolvedBean() : handler;
            return new Endpoint<>(
                    keys, settings.operations, resolved, annotation, lease(annotation), isolation(annotation));
        });
    }

    private @Nullable Duration lease(Idempotent annotation) {
        String lease = Objects.requireNonNull(context).getEnvironment().resolveRequiredPlaceholders(annotation.lease());
        return lease.isEmpty() ? settings.lease : DurationFormatterUtils.detectAndParse(lease);
    }

    private @Nullable Isolation isolation(Idempotent annotation) {
        List<Isolation> isolations = Arrays.asList(annotation.isolation());
        if (isolations.size() > 1) {
            throw new IllegalStateException("@Idempotent has the isolations " + isolations + "; allowed: one at most");
        }
        return isolations.isEmpty() ? settings.isolation : isolations.get(0);
    }

    @Override
    public @Nullable ModelAndView handle(HttpServletRequest request, HttpServletResponse response, Object handler)
            throws Exception {
        HandlerMethod method = (HandlerMethod) handler;
        HandlerInvoker invoking = Objects.requireNonNull(invoker, "the application hasn't started yet");
        Endpoint<T> endpoint = endpoint(method);
        String header = KeyHeader.of(request, settings.header);
        if (header == null && !endpoint.isKeyRequired(settings.keyRequired)) {
            return invoking.handle(request, response, method);
        }
        if (header == null) {
            throw new IdempotencyException.InvalidKey(
                    "the request has no idempotency key; send one in the " + settings.header + " header");
        }
        String scope = settings.scope.of(request);
        if (scope == null) {
            throw new IdempotencyException.InvalidKey("the request doesn't say whose key it has");
        }
        KeyId id = KeyId.fromHeader(scope, header);
        RepeatableRequest repeatable = RepeatableRequest.of(request, settings.maxRequestBytes);
        HandlerRun<T> run = new HandlerRun<>(
                keys,
                endpoint,
                invoking,
                repeatable,
                response,
                method,
                id,
                settings.waitAtMost,
                settings.storedHeaders);
        run.answer();
        return null;
    }

    /** Returns -1: what is idempotent by a key isn't a resource that browsers cache. */
    @Override
    @SuppressWarnings("deprecation") // Spring 6 asks for it
    public long getLastModified(HttpServletRequest request, Object handler) {
        return -1;
    }
}
