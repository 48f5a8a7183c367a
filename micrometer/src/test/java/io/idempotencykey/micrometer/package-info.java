@NullMarked
package io.idempotencykey.micrometer;

import org.jspecify.annotations.NullMarked;
