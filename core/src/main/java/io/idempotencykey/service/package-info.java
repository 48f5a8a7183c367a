/** What an application calls: the service with its operations on keys, and declared operations with their runner. */
@NullMarked
package io.idempotencykey.service;

import org.jspecify.annotations.NullMarked;
