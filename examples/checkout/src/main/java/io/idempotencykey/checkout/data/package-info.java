/** The shop's data in memory, in SQL databases through JPA, and in MongoDB. */
@NullMarked
package io.idempotencykey.checkout.data;

import org.jspecify.annotations.NullMarked;
