/** A store in memory: {@link io.idempotencykey.inmemory.InMemoryKeyStore}. */
@NullMarked
package io.idempotencykey.inmemory;

import org.jspecify.annotations.NullMarked;
