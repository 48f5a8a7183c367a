/**
 * The program around the shop: its command line, the stores that it opens, and a payment provider. The rest serves the
 * proof that requests run once: stages that are delayed, fail or stop on demand, routes that show what was done, and
 * the demo.
 */
@NullMarked
package io.idempotencykey.checkout.program;

import org.jspecify.annotations.NullMarked;
