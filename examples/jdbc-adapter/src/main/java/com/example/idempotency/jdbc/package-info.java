/** A storage adapter for plain JDBC on PostgreSQL: a template for adapters of your own. */
@NullMarked
package com.example.idempotency.jdbc;

import org.jspecify.annotations.NullMarked;
