/** A page on which operators see the keys that wait, and bring them to an end. */
@NullMarked
package io.idempotencykey.console;

import org.jspecify.annotations.NullMarked;
