/** Idempotency keys in applications of the Spring Framework. */
@SuppressWarnings({"requires-automatic", "requires-transitive-automatic"}) // Spring has no module descriptors
module io.idempotencykey.spring {
    requires transitive io.idempotencykey.core;
    requires static transitive io.idempotencykey.inmemory;
    requires static transitive io.idempotencykey.jpa;
    requires static transitive io.idempotencykey.mongo;
    requires static transitive org.jspecify;
    requires spring.aop;
    requires transitive spring.beans;
    requires transitive spring.context;
    requires transitive spring.core;
    requires transitive spring.tx;
    requires static java.sql;
    requires static transitive jakarta.servlet;
    requires static transitive spring.data.mongodb;
    requires static spring.jdbc;
    requires static spring.orm;
    requires static transitive spring.web;
    requires static transitive spring.webmvc;

    exports io.idempotencykey.spring;
    exports io.idempotencykey.spring.web;
}
