/** Measures the cost of the guarantees: each benchmark runs sides in turn on one server, and prints ratios. */
@NullMarked
package io.idempotencykey.benchmarks;

import org.jspecify.annotations.NullMarked;
