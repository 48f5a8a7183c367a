/** The code of docs/SPRING.md and of the README. */
@NullMarked
package io.idempotencykey.spring.docs;

import org.jspecify.annotations.NullMarked;
