/** What a Spring Boot application gets by itself when it depends on the starter. */
@NullMarked
package io.idempotencykey.spring.boot;

import org.jspecify.annotations.NullMarked;
