/** What the starter says of its properties. */
@NullMarked
package io.idempotencykey.spring.boot;

import org.jspecify.annotations.NullMarked;
