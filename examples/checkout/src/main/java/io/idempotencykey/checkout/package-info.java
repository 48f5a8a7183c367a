/**
 * A shop's checkout that runs once, whatever its clients, its server and its network do.
 *
 * <p>This package is the shop. Begin with {@link io.idempotencykey.checkout.Checkout}, which declares the operation and
 * its stages; {@link io.idempotencykey.checkout.CheckoutRoute} runs it for HTTP requests. {@link
 * io.idempotencykey.checkout.Reviews} is the smaller example, a request of one stage. The shop knows neither the
 * stores ({@code data}) nor the program around it ({@code program}), which makes it fail on demand.
 */
@NullMarked
package io.idempotencykey.checkout;

import org.jspecify.annotations.NullMarked;
