package io.idempotencykey.jpa;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A test on each of the databases that need no profile; its parameter is a {@link TestDatabase}. */
@ParameterizedTest
@EnumSource(names = {"H2", "POSTGRESQL"})
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.METHOD)
@interface OnH2AndPostgresql {}
