/** Shared by core's packages and exported to nobody. */
@NullMarked
package io.idempotencykey.internal;

import org.jspecify.annotations.NullMarked;
