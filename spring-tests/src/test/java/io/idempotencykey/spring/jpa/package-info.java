/** Stages in an application of Spring Boot with Spring Data JPA. */
@NullMarked
package io.idempotencykey.spring.jpa;

import org.jspecify.annotations.NullMarked;
