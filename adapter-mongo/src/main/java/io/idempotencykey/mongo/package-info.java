/** A store in the application's own MongoDB: {@link io.idempotencykey.mongo.MongoKeyStore}. */
@NullMarked
package io.idempotencykey.mongo;

import org.jspecify.annotations.NullMarked;
