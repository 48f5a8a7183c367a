/** The contract suite: extend {@link io.idempotencykey.contract.KeyStoreContract} in a test class, and run it. */
@NullMarked
package io.idempotencykey.contract;

import org.jspecify.annotations.NullMarked;
