/** Measures what the guarantees cost: sides run in turn, in one run, on one server, and their ratios are compared. */
@NullMarked
package io.idempotencykey.benchmarks;

import org.jspecify.annotations.NullMarked;
