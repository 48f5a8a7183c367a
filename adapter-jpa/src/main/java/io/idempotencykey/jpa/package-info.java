/** A store in the application's own database: {@link io.idempotencykey.jpa.JpaKeyStore}. */
@NullMarked
package io.idempotencykey.jpa;

import org.jspecify.annotations.NullMarked;
