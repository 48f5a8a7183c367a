package io.idempotencykey.spring.boot;

import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Inherited;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.springframework.test.context.TestPropertySource;

/**
 * Keeps a test's idempotency keys in memory, and starts no background work.
 *
 * <p>Stages run in the application's own transactions, in whatever database its tests use, and a failed stage is rolled
 * back there.
 */
@Documented
@Inherited
@Target(ElementType.TYPE)
@Retention(RetentionPolicy.RUNTIME)
@TestPropertySource(properties = {"idempotency.store=in-memory", "idempotency.background.enabled=false"})
public @interface InMemoryIdempotency {}
