/** Several processes of the example's shop on a real server, faults of many kinds, and a check of what came of it. */
@NullMarked
package io.idempotencykey.chaos;

import org.jspecify.annotations.NullMarked;
