/** Measures the cost of the guarantees: each benchmark runs two sides in turn on one server, and prints the ratio. */
@NullMarked
package io.idempotencykey.benchmarks;

import org.jspecify.annotations.NullMarked;
