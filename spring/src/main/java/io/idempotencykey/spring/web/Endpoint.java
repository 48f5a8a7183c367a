package io.idempotencykey.spring.web;

import io.idempotencykey.Isolation;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Response;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import io.idempotencykey.service.WorkStage;
import jakarta.servlet.http.Part;
import java.lang.reflect.Method;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Future;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.springframework.aop.framework.Advised;
import org.springframework.aop.framework.DefaultAdvisorChainFactory;
import org.springframework.aop.support.AopUtils;
import org.springframework.core.MethodParameter;
import org.springframework.core.ReactiveAdapterRegistry;
import org.springframework.core.ResolvableType;
import org.springframework.core.annotation.AnnotatedElementUtils;
import org.springframework.http.HttpEntity;
import org.springframework.scheduling.annotation.Async;
import org.springframework.web.ErrorResponse;
import org.springframework.web.bind.annotation.ResponseBody;
import org.springframework.web.context.request.async.DeferredResult;
import org.springframework.web.context.request.async.WebAsyncTask;
import org.springframework.web.method.HandlerMethod;
import org.springframework.web.multipart.MultipartFile;
import org.springframework.web.servlet.mvc.method.annotation.ResponseBodyEmitter;
import org.springframework.web.servlet.mvc.method.annotation.StreamingResponseBody;

/**
 * A handler method's annotation, checked.
 *
 * @param <T> the store's transaction handle
 */
final class Endpoint<T> {
    private static final DefaultAdvisorChainFactory ADVICE = new DefaultAdvisorChainFactory();
    private static final List<Class<?>> ASYNCHRONOUS = List.of(
            Callable.class,
            CompletionStage.class,
            DeferredResult.class,
            Future.class,
            ResponseBodyEmitter.class,
            StreamingResponseBody.class,
            WebAsyncTask.class);

    private final IdempotencyKeyService<T> keys;
    private final Idempotent annotation;
    private final String name;
    private final @Nullable Operation<T> operation;
    private final @Nullable Duration lease;
    private final @Nullable Isolation isolation;

    /**
     * Checks a handler method.
     *
     * @throws IllegalStateException if the annotation or the method is one that can't be idempotent
     */
    Endpoint(
            IdempotencyKeyService<T> keys,
            Map<String, Operation<T>> operations,
            HandlerMethod handler,
            Idempotent annotation,
            @Nullable Duration lease,
            @Nullable Isolation isolation) {
        this.keys = keys;
        this.annotation = annotation;
        this.lease = lease;
        this.isolation = isolation;
        Method method = handler.getMethod();
        checkParameters(handler);
        checkThread(handler);
        if (annotation.operation().isEmpty()) {
            this.operation = null;
            this.name = annotation.value().isEmpty()
                    ? handler.getBeanType().getSimpleName() + "." + method.getName()
                    : annotation.value();
            checkResult(handler);
            Operation<T> unused = single(stage -> Response.of(200, new byte[0]), failure -> Optional.empty());
        } else {
            boolean isAlone = annotation.value().isEmpty()
                    && annotation.lease().isEmpty()
                    && Stream.of(annotation.isolation(), annotation.answers(), annotation.releases())
                            .allMatch(each -> each.length == 0);
            if (!isAlone) {
                throw refused(
                        handler,
                        "names an operation, which has a name, a lease, an isolation and answers of its own;"
                                + " allowed beside it: key");
            }
            this.operation = operations.get(annotation.operation());
            if (operation == null) {
                throw refused(
                        handler,
                        "names the operation '" + annotation.operation() + "'; the Operation beans are "
                                + operations.keySet());
            }
            this.name = annotation.operation();
            checkAdvice(handler);
        }
    }

    private static void checkParameters(HandlerMethod handler) {
        for (MethodParameter parameter : handler.getMethodParameters()) {
            Class<?> type = parameter.nested().getNestedParameterType();
            if (MultipartFile.class.isAssignableFrom(type) || Part.class.isAssignableFrom(type)) {
                throw refused(
                        handler,
                        "takes a multipart request, whose retries differ in their boundary; let clients send the file"
                                + " as the body");
            }
        }
    }

    private static void checkThread(HandlerMethod handler) {
        if (handler.hasMethodAnnotation(Async.class)
                || AnnotatedElementUtils.hasAnnotation(handler.getBeanType(), Async.class)) {
            throw refused(handler, "is @Async, and so runs outside of the transaction; let it run on its own thread");
        }
    }

    /** What an operation runs in place of has no part in it, and neither has what guards it. */
    private static void checkAdvice(HandlerMethod handler) {
        if (handler.getBean() instanceof Advised advised
                && !ADVICE.getInterceptorsAndDynamicInterceptionAdvice(
                                advised, handler.getMethod(), AopUtils.getTargetClass(advised))
                        .isEmpty()) {
            throw refused(
                    handler,
                    "has advice, such as method security, which wouldn't run, because an operation runs in its place;"
                            + " secure the path, or the operation's own code");
        }
    }

    private static void checkResult(HandlerMethod handler) {
        ResolvableType result = ResolvableType.forMethodParameter(handler.getReturnType());
        boolean isEntity = HttpEntity.class.isAssignableFrom(result.toClass());
        Class<?> type = isEntity ? result.getGeneric(0).toClass() : result.toClass();
        boolean isReactive = ReactiveAdapterRegistry.getSharedInstance().getAdapter(type) != null;
        if (isReactive || ASYNCHRONOUS.stream().anyMatch(each -> each.isAssignableFrom(type))) {
            throw refused(
                    handler,
                    "returns " + type.getSimpleName() + ", whose result comes after the transaction; return the value"
                            + " itself");
        }
        boolean hasBody = isEntity
                || type == void.class
                || type == Void.class
                || ErrorResponse.class.isAssignableFrom(type)
                || AnnotatedElementUtils.hasAnnotation(handler.getBeanType(), ResponseBody.class)
                || handler.hasMethodAnnotation(ResponseBody.class);
        if (!hasBody) {
            throw refused(
                    handler, "returns a view, which is rendered after the transaction; return a body (@ResponseBody)");
        }
    }

    private static IllegalStateException refused(HandlerMethod handler, String why) {
        return new IllegalStateException("@Idempotent on " + handler + ": the method " + why);
    }

    String name() {
        return name;
    }

    /** The operation that runs in place of the method; nothing if the method itself is the stage. */
    Optional<Operation<T>> operation() {
        return Optional.ofNullable(operation);
    }

    boolean isKeyRequired(boolean configured) {
        return switch (annotation.key()) {
            case AS_CONFIGURED -> configured;
            case REQUIRED -> true;
            case OPTIONAL -> false;
        };
    }

    /** The method as an operation of one stage. Nothing of the request's parameters is stored but their digest. */
    Operation<T> single(WorkStage.Answer<T, Response> answer, Function<Throwable, Optional<Response>> answerTo) {
        Operation.Builder<T> builder = keys.operation(name)
                .respond(RecoveryPoint.STARTED, answer)
                .answering(answerTo)
                .redact(parameters -> Map.of());
        if (lease != null) {
            builder.lease(lease);
        }
        if (isolation != null) {
            builder.isolation(isolation);
        }
        return builder.build();
    }

    /** Whether an exception is an answer, by its type or by the status that the application gave it. */
    boolean isAnswer(Throwable failure, boolean hasFinalStatus) {
        return !isOneOf(annotation.releases(), failure) && (hasFinalStatus || isOneOf(annotation.answers(), failure));
    }

    private static boolean isOneOf(Class<? extends Exception>[] types, Throwable failure) {
        return Arrays.stream(types).anyMatch(type -> type.isInstance(failure));
    }
}
