package io.idempotencykey.spring.web;

import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/** A handler method that runs once for each idempotency key. */
@Documented
@Target(ElementType.METHOD)
@Retention(RetentionPolicy.RUNTIME)
public @interface Idempotent {
    /**
     * The name of the work.
     *
     * @return 1 to 100 ASCII letters, digits, {@code '.'}, {@code '_'} and {@code '-'}
     */
    String value() default "";
}
