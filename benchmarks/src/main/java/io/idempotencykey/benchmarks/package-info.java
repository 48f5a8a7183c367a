/** What the guarantees cost: each benchmark runs both of its sides in turn, on one server, and prints the ratio. */
@NullMarked
package io.idempotencykey.benchmarks;

import org.jspecify.annotations.NullMarked;
