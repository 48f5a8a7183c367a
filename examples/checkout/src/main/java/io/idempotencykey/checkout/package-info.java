/**
 * A shop's checkout that runs once, whatever its clients, its server and its network do.
 *
 * <p>Begin with {@link io.idempotencykey.checkout.Checkout}: that is all that an application writes to use the library.
 */
@NullMarked
package io.idempotencykey.checkout;

import org.jspecify.annotations.NullMarked;
