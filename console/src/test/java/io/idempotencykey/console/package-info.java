@NullMarked
package io.idempotencykey.console;

import org.jspecify.annotations.NullMarked;
