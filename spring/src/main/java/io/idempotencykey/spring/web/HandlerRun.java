package io.idempotencykey.spring.web;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.KeyId;
import io.idempotencykey.Response;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.service.Execution;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import io.idempotencykey.spring.StageMisuseException;
import jakarta.servlet.http.HttpServletResponse;
import java.time.Duration;
import java.util.IdentityHashMap;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.springframework.web.method.HandlerMethod;

/** One request to an idempotent handler method. */
final class HandlerRun<T> {
    private final IdempotencyKeyService<T> keys;
    private final Endpoint<T> endpoint;
    private final HandlerInvoker invoker;
    private final RepeatableRequest request;
    private final HttpServletResponse response;
    private final HandlerMethod method;
    private final KeyId id;
    private final Duration waitAtMost;
    private final Set<String> storedHeaders;

    /** What each try has answered, with the headers and cookies that aren't stored. */
    private final IdentityHashMap<Response, BufferedResponse> answers = new IdentityHashMap<>();

    private boolean isReached;
    private @Nullable Throwable failure;
    private @Nullable BufferedResponse failed;

    HandlerRun(
            IdempotencyKeyService<T> keys,
            Endpoint<T> endpoint,
            HandlerInvoker invoker,
            RepeatableRequest request,
            HttpServletResponse response,
            HandlerMethod method,
            KeyId id,
            Duration waitAtMost,
            Set<String> storedHeaders) {
        this.keys = keys;
        this.endpoint = endpoint;
        this.invoker = invoker;
        this.request = request;
        this.response = response;
        this.method = method;
        this.id = id;
        this.waitAtMost = waitAtMost;
        this.storedHeaders = storedHeaders;
    }

    /** Brings the request to its end, and answers the client. */
    void answer() throws Exception {
        try {
            Optional<Operation<T>> declared = endpoint.operation();
            if (declared.isPresent()) {
                checkArguments();
                write(keys.run(declared.get(), id, request.parameterized(), waitAtMost));
            } else {
                write(keys.run(endpoint.single(stage -> run(), this::answerTo), id, request.described(), waitAtMost));
            }
        } catch (NotStored e) {
            e.answerOrThrow(response);
        } catch (IdempotencyException e) {
            throw e;
        } catch (Exception e) {
            if (e != failure || failed == null) {
                throw e;
            }
            failed.writeTo(response);
        }
    }

    /** Binds and validates the arguments of a method that an operation runs in place of. */
    private void checkArguments() throws Exception {
        try {
            invoker.invoke(request.again(), new BufferedResponse(response), method, () -> {
                throw new Bound();
            });
        } catch (Bound e) {
            // All is well.
        }
    }

    private void write(Execution execution) throws Exception {
        BufferedResponse own = answers.get(execution.response());
        if (own != null && !execution.replayed()) {
            own.writeTo(response);
            return;
        }
        if (execution.replayed()) {
            response.setHeader(IdempotentHandlerAdapter.REPLAYED_HEADER, "true");
        }
        BufferedResponse.write(execution.response(), response);
    }

    /** The stage: may be run again after a conflict. */
    private Response run() throws Exception {
        isReached = false;
        BufferedResponse buffer = new BufferedResponse(response);
        RepeatableRequest again = request.again();
        try {
            invoker.invoke(again, buffer, method, () -> isReached = true);
        } catch (Exception e) {
            throw isReached ? e : new NotStored(e);
        }
        if (!buffer.isFinal()) {
            throw new NotStored(buffer);
        }
        invoker.renderError(again, buffer);
        return remembered(buffer);
    }

    private Response remembered(BufferedResponse buffer) {
        Response stored = buffer.stored(storedHeaders);
        answers.put(stored, buffer);
        return stored;
    }

    /** What the application answers to an exception of the method, after the rollback; nothing if that isn't final. */
    private Optional<Response> answerTo(Throwable thrown) {
        boolean isMisuse = StoreFailure.chain(thrown).stream().anyMatch(StageMisuseException.class::isInstance);
        if (thrown instanceof NotStored || isMisuse || !(thrown instanceof Exception exception)) {
            return Optional.empty();
        }
        BufferedResponse buffer = new BufferedResponse(response);
        RepeatableRequest again = request.again();
        failure = thrown;
        failed = invoker.resolves(again, buffer, method, exception) ? buffer : null;
        if (failed == null || !endpoint.isAnswer(thrown, buffer.isFinal())) {
            return Optional.empty();
        }
        invoker.renderError(again, buffer);
        return Optional.of(remembered(buffer));
    }

    /** The method isn't to be called. */
    private static final class Bound extends RuntimeException {
        private static final long serialVersionUID = 1L;

        Bound() {
            super(null, null, false, false);
        }
    }

    /** Rolls the stage back, and is no answer: the method wasn't called, or its response isn't final. */
    private static final class NotStored extends RuntimeException {
        private static final long serialVersionUID = 1L;

        private final transient @Nullable BufferedResponse buffer;

        NotStored(Exception cause) {
            // Not with the cause's text, which an application's exception may be unable to give.
            super("the handler method wasn't reached", cause);
            this.buffer = null;
        }

        NotStored(BufferedResponse buffer) {
            super("the response has the status " + buffer.getStatus() + ", which isn't final");
            this.buffer = buffer;
        }

        void answerOrThrow(HttpServletResponse response) throws Exception {
            if (buffer == null) {
                throw (Exception) Objects.requireNonNull(getCause());
            }
            buffer.writeTo(response);
        }
    }
}
