/** The samples, started as their users would and driven over HTTP. */
@NullMarked
package io.idempotencykey.samples;

import org.jspecify.annotations.NullMarked;
