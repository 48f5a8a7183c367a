package io.idempotencykey.spring.web;

import java.lang.reflect.Method;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.springframework.aop.framework.autoproxy.AutoProxyUtils;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.core.MethodIntrospector;
import org.springframework.core.MethodIntrospector.MetadataLookup;
import org.springframework.core.annotation.AnnotatedElementUtils;
import org.springframework.core.annotation.AnnotationUtils;
import org.springframework.util.ClassUtils;

/** All methods of an application's beans that have the annotation. */
public final class IdempotentMethods {
    private IdempotentMethods() {}

    /**
     * Refuses annotations that nobody acts upon.
     *
     * @param handled the methods for which somebody does
     * @param application whose beans are looked through, behind their proxies
     * @throws IllegalStateException if another method of a bean has the annotation
     */
    public static void checkAllAreAmong(Set<Method> handled, ConfigurableApplicationContext application) {
        for (String name : application.getBeanDefinitionNames()) {
            Class<?> found = application.getType(name, false);
            Class<?> target = AutoProxyUtils.determineTargetClass(application.getBeanFactory(), name);
            Class<?> type = target == null ? Object.class : ClassUtils.getUserClass(target);
            if (AnnotationUtils.isCandidateClass(type, Idempotent.class)) {
                MetadataLookup<Boolean> isAnnotated =
                        method -> AnnotatedElementUtils.hasAnnotation(method, Idempotent.class) ? true : null;
                for (Method method :
                        MethodIntrospector.selectMethods(type, isAnnotated).keySet()) {
                    if (!handled.contains(invocable(method, found))) {
                        throw new IllegalStateException("@Idempotent on " + method + " has no effect: the method isn't"
                                + " a handler method of Spring MVC. Put it on the controller's method, or call"
                                + " IdempotencyKeyService.once");
                    }
                }
            }
        }
    }

    /** What callers of a bean call: the interface's method, if the bean is a proxy of the JDK's. */
    private static Method invocable(Method method, @Nullable Class<?> type) {
        try {
            return type == null ? method : MethodIntrospector.selectInvocableMethod(method, type);
        } catch (IllegalStateException e) {
            return method;
        }
    }
}
