/** The Spring modules in applications of Spring Boot. */
@NullMarked
package io.idempotencykey.spring;

import org.jspecify.annotations.NullMarked;
