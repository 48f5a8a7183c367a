@NullMarked
package io.idempotencykey.cli;

import org.jspecify.annotations.NullMarked;
