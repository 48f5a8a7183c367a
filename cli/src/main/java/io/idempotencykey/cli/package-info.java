/** A command line for operators. */
@NullMarked
package io.idempotencykey.cli;

import org.jspecify.annotations.NullMarked;
