/** Idempotency keys in a Spring Boot application, by one dependency. */
@SuppressWarnings({"requires-automatic", "requires-transitive-automatic"}) // Spring has no module descriptors
module io.idempotencykey.spring.boot {
    requires transitive io.idempotencykey.spring;
    requires java.sql;
    requires io.idempotencykey.micrometer;
    requires static io.idempotencykey.console;
    requires static jakarta.persistence;
    requires static jakarta.servlet;
    requires static org.mongodb.driver.sync.client;
    requires static transitive org.jspecify;
    requires spring.boot;
    requires transitive spring.boot.autoconfigure;
    requires spring.core;
    requires static spring.boot.actuator;
    requires static spring.boot.actuator.autoconfigure;
    requires static spring.boot.health;
    requires static spring.data.mongodb;
    requires static spring.jdbc;
    requires static spring.orm;
    requires static spring.security.web;
    requires static transitive spring.test;
    requires static spring.web;
    requires static spring.webmvc;

    exports io.idempotencykey.spring.boot;

    opens io.idempotencykey.spring.boot to
            spring.beans,
            spring.boot,
            spring.context,
            spring.core;
}
