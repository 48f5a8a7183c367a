package io.idempotencykey.spring.web;

import io.idempotencykey.spring.StageMisuseException;
import jakarta.servlet.RequestDispatcher;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.springframework.beans.factory.BeanFactoryUtils;
import org.springframework.context.ApplicationContext;
import org.springframework.core.annotation.AnnotationAwareOrderComparator;
import org.springframework.web.context.request.RequestAttributes;
import org.springframework.web.context.request.RequestContextHolder;
import org.springframework.web.context.request.ServletRequestAttributes;
import org.springframework.web.context.request.async.WebAsyncUtils;
import org.springframework.web.method.HandlerMethod;
import org.springframework.web.servlet.HandlerExceptionResolver;
import org.springframework.web.servlet.HandlerMapping;
import org.springframework.web.servlet.ModelAndView;
import org.springframework.web.servlet.mvc.method.annotation.RequestMappingHandlerAdapter;
import org.springframework.web.servlet.mvc.method.annotation.ServletInvocableHandlerMethod;

/** Invokes handler methods as the application's own adapter does, and knows whether the method itself was called. */
final class HandlerInvoker extends RequestMappingHandlerAdapter {
    private static final System.Logger LOGGER = System.getLogger("io.idempotencykey");
    private static final String NAME = "requestMappingHandlerAdapter";

    private final List<HandlerExceptionResolver> resolvers;
    private final @Nullable String errorPage;

    private HandlerInvoker(List<HandlerExceptionResolver> resolvers, @Nullable String errorPage) {
        this.resolvers = resolvers;
        this.errorPage = errorPage;
    }

    static HandlerInvoker of(ApplicationContext context, @Nullable String errorPage) {
        RequestMappingHandlerAdapter own = context.containsBean(NAME)
                ? context.getBean(NAME, RequestMappingHandlerAdapter.class)
                : context.getBean(RequestMappingHandlerAdapter.class);
        if (own.getClass() != RequestMappingHandlerAdapter.class) {
            LOGGER.log(
                    Level.WARNING,
                    "what {0} does otherwise than RequestMappingHandlerAdapter isn''t done for @Idempotent methods",
                    own.getClass().getName());
        }
        List<HandlerExceptionResolver> resolvers = new ArrayList<>(
                BeanFactoryUtils.beansOfTypeIncludingAncestors(context, HandlerExceptionResolver.class, true, false)
                        .values());
        AnnotationAwareOrderComparator.sort(resolvers);
        HandlerInvoker invoker = new HandlerInvoker(List.copyOf(resolvers), errorPage);
        invoker.setArgumentResolvers(own.getArgumentResolvers());
        invoker.setInitBinderArgumentResolvers(own.getInitBinderArgumentResolvers());
        invoker.setReturnValueHandlers(own.getReturnValueHandlers());
        invoker.setMessageConverters(own.getMessageConverters());
        invoker.setWebBindingInitializer(own.getWebBindingInitializer());
        invoker.setReactiveAdapterRegistry(own.getReactiveAdapterRegistry());
        invoker.setErrorResponseInterceptors(own.getErrorResponseInterceptors());
        invoker.setApplicationContext(context);
        invoker.setBeanFactory(context.getAutowireCapableBeanFactory());
        invoker.afterPropertiesSet();
        return invoker;
    }

    /**
     * Binds the arguments, calls the method and writes its result.
     *
     * @param reached called when the arguments are bound and valid, before the method
     */
    void invoke(HttpServletRequest request, HttpServletResponse response, HandlerMethod method, Runnable reached)
            throws Exception {
        ModelAndView view =
                exposed(request, response, () -> handle(request, response, new WatchedMethod(method, reached)));
        if (view != null) {
            throw new StageMisuseException(
                    method + " answers with a view, which is rendered after the transaction; return a body");
        }
        if (WebAsyncUtils.getAsyncManager(request).isConcurrentHandlingStarted()) {
            throw new StageMisuseException(
                    method + " answers asynchronously, after the transaction; return the value itself");
        }
    }

    /** Lets the application's own resolvers answer an exception; returns whether they did. */
    boolean resolves(HttpServletRequest request, BufferedResponse response, HandlerMethod method, Exception failure) {
        // What the method would have produced doesn't bind what its exception does.
        request.removeAttribute(HandlerMapping.PRODUCIBLE_MEDIA_TYPES_ATTRIBUTE);
        return exposed(request, response, () -> {
            for (HandlerExceptionResolver resolver : resolvers) {
                ModelAndView view = resolver.resolveException(request, response, method, failure);
                if (view != null) {
                    return view.isEmpty();
                }
            }
            return false;
        });
    }

    private interface Work<R, X extends Exception> {
        R run() throws X;
    }

    /** Lets requests and responses that are injected be those of this run, too. */
    private static <R, X extends Exception> R exposed(
            HttpServletRequest request, HttpServletResponse response, Work<R, X> work) throws X {
        RequestAttributes outer = RequestContextHolder.getRequestAttributes();
        if (!(outer instanceof ServletRequestAttributes)) {
            return work.run();
        }
        ExposedAttributes exposed = new ExposedAttributes(request, response, outer);
        RequestContextHolder.setRequestAttributes(exposed);
        try {
            return work.run();
        } finally {
            RequestContextHolder.setRequestAttributes(outer);
            exposed.updateAccessedSessionAttributes();
        }
    }

    /** What a run's code is given by injection; what it leaves to be destroyed ends with the whole request. */
    private static final class ExposedAttributes extends ServletRequestAttributes {
        private final RequestAttributes outer;

        ExposedAttributes(HttpServletRequest request, HttpServletResponse response, RequestAttributes outer) {
            super(request, response);
            this.outer = outer;
        }

        @Override
        public void registerDestructionCallback(String name, Runnable callback, int scope) {
            outer.registerDestructionCallback(name, callback, scope);
        }

        @Override
        protected void updateAccessedSessionAttributes() {
            super.updateAccessedSessionAttributes();
        }
    }

    /** Lets the application's error page make the body of an error that has none, as the container would. */
    void renderError(HttpServletRequest request, BufferedResponse response) {
        if (!response.isError() || errorPage == null) {
            response.rendered();
            return;
        }
        RequestDispatcher dispatcher = request.getRequestDispatcher(errorPage);
        request.setAttribute(RequestDispatcher.ERROR_STATUS_CODE, response.getStatus());
        request.setAttribute(RequestDispatcher.ERROR_MESSAGE, response.error());
        request.setAttribute(RequestDispatcher.ERROR_REQUEST_URI, request.getRequestURI());
        try {
            response.rendered();
            // Not forward, after which Tomcat ends the response of the client.
            dispatcher.include(request, response);
        } catch (ServletException | IOException e) {
            throw new IllegalStateException("the error page " + errorPage + " fails", e);
        } finally {
            request.removeAttribute(RequestDispatcher.ERROR_STATUS_CODE);
            request.removeAttribute(RequestDispatcher.ERROR_MESSAGE);
            request.removeAttribute(RequestDispatcher.ERROR_REQUEST_URI);
        }
    }

    @Override
    protected ServletInvocableHandlerMethod createInvocableHandlerMethod(HandlerMethod method) {
        if (!(method instanceof WatchedMethod watched)) {
            return super.createInvocableHandlerMethod(method);
        }
        return new ServletInvocableHandlerMethod(method) {
            @Override
            protected @Nullable Object doInvoke(@Nullable Object... arguments) throws Exception {
                watched.reached.run();
                return super.doInvoke(arguments);
            }
        };
    }

    private static final class WatchedMethod extends HandlerMethod {
        private final Runnable reached;

        WatchedMethod(HandlerMethod method, Runnable reached) {
            super(method);
            this.reached = reached;
        }
    }
}
