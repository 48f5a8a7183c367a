/** The words of the domain: keys, requests, responses, their states, and the errors that concern them. */
@NullMarked
package io.idempotencykey;

import org.jspecify.annotations.NullMarked;
