package io.idempotencykey.spring.web;

import io.idempotencykey.Isolation;
import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * Runs a handler method of Spring MVC once for each idempotency key of its clients; a retry gets the stored response.
 *
 * <pre>{@code
 * @PostMapping("/orders")
 * @Idempotent("place-order")
 * Order place(@RequestBody @Valid NewOrder order) { … }
 * }</pre>
 *
 * <p>The arguments' binding, the method, and the writing of the body are one stage in one transaction of the store,
 * with the key's own change. They may be run again after a conflict of the store. What the stage's code writes through
 * Spring is part of that transaction. The response goes to the client when it is stored.
 *
 * <p>What the method answers is stored if its status is final: below 500, and not 408, 409, 425 or 429. That goes for
 * exceptions, too, as far as the application's own exception handlers turn them into such a response; their writes are
 * rolled back. With any other response nothing is stored, all is rolled back, and a retry runs anew. So is what fails
 * before the method is called, such as a body that can't be read or isn't valid.
 *
 * <p>The method returns a body ({@code @ResponseBody}, {@code ResponseEntity}) or nothing. Views, asynchronous and
 * streamed results, and multipart requests are refused when the application starts, or else before the client gets
 * anything. An application whose context has this annotation where it means nothing, such as on a method that isn't a
 * handler, doesn't start.
 */
@Documented
@Target({ElementType.METHOD, ElementType.ANNOTATION_TYPE})
@Retention(RetentionPolicy.RUNTIME)
public @interface Idempotent {
    /**
     * The name of the work, which is stored with the key and is part of the request's fingerprint: retries that come
     * after it has changed are refused.
     *
     * @return 1 to 100 ASCII letters, digits, {@code '.'}, {@code '_'} and {@code '-'}; default: the names of class and
     *     method, as in {@code OrderController.place}. No two methods have the same
     */
    String value() default "";

    /**
     * The name of a declared operation, which is a bean, and which runs in place of the method: for several stages, or
     * calls to other systems.
     *
     * <p>The method's arguments are bound and validated, and the method is never called. The operation's parameters are
     * the members of the request's JSON body, the path's variables under their names in braces, as in {@code {id}}, and
     * the query string, if there is one, under {@code ?}. Lease, isolation and answers are the operation's own.
     *
     * @return as in {@link io.idempotencykey.service.IdempotencyKeyService#operation}; default: none
     */
    String operation() default "";

    /**
     * How long the key stays locked at most if the server dies.
     *
     * @return 1 millisecond to 24 hours, as in {@code 30s} or {@code PT30S}, or a placeholder for it; default: as
     *     configured
     */
    String lease() default "";

    /**
     * The isolation of the transaction.
     *
     * @return one that the store has, or none: as configured
     */
    Isolation[] isolation() default {};

    /**
     * Whether clients have to send a key.
     *
     * @return default: as configured
     */
    Key key() default Key.AS_CONFIGURED;

    /**
     * Exceptions that are answers whatever status the application gives them, such as a 409 that no retry changes.
     *
     * @return classes, with their subclasses; default: none
     */
    Class<? extends Exception>[] answers() default {};

    /**
     * Exceptions that aren't answers whatever status the application gives them, such as a 404 of what may still come.
     *
     * @return classes, with their subclasses; they win over {@link #answers}; default: none
     */
    Class<? extends Exception>[] releases() default {};

    /** Whether clients have to send a key. */
    enum Key {
        /** As the handler adapter is configured, which is {@link #REQUIRED} by default. */
        AS_CONFIGURED,
        /** A request without a key is refused with 400. */
        REQUIRED,
        /** A request without a key runs as if the annotation weren't there: without any guarantee. */
        OPTIONAL
    }
}
