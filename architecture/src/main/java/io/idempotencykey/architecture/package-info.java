/** The architecture of all modules, as rules that are checked and seen to fail. */
@NullMarked
package io.idempotencykey.architecture;

import org.jspecify.annotations.NullMarked;
