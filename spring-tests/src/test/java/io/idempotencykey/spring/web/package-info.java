/** Idempotent handler methods over HTTP. */
@NullMarked
package io.idempotencykey.spring.web;

import org.jspecify.annotations.NullMarked;
