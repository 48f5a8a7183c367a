/** A page for operators, served by a servlet. */
module io.idempotencykey.console {
    requires transitive io.idempotencykey.core;
    requires transitive jakarta.servlet;
    requires static transitive org.jspecify;

    exports io.idempotencykey.console;
}
