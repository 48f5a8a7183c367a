/** Stages in which an application's own code of Spring's takes part, unchanged. */
@NullMarked
package io.idempotencykey.spring;

import org.jspecify.annotations.NullMarked;
