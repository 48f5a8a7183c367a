/** Metrics and observations with Micrometer, from the listeners of a service. */
@NullMarked
package io.idempotencykey.micrometer;

import org.jspecify.annotations.NullMarked;
