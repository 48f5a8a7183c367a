@NullMarked
package io.idempotencykey.compatibility;

import org.jspecify.annotations.NullMarked;
