/** Handler methods of Spring MVC that run once for each key. */
@NullMarked
package io.idempotencykey.spring.web;

import org.jspecify.annotations.NullMarked;
