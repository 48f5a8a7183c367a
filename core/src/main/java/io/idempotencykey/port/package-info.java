/** What a storage adapter implements: one store, told what to write by core and deciding nothing by itself. */
@NullMarked
package io.idempotencykey.port;

import org.jspecify.annotations.NullMarked;
