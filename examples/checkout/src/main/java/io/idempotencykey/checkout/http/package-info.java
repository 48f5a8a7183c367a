/** A small HTTP server, JSON, and errors as problem details. Nothing here is specific to the shop. */
@NullMarked
package io.idempotencykey.checkout.http;

import org.jspecify.annotations.NullMarked;
