/** Idempotency keys in the application's own database, through Hibernate ORM. */
@SuppressWarnings("requires-automatic") // Hibernate and Spring have no module descriptors
module io.idempotencykey.jpa {
    requires transitive io.idempotencykey.core;
    requires transitive jakarta.persistence;
    requires java.sql;
    requires java.transaction.xa;
    requires jakarta.transaction;
    requires org.hibernate.orm.core;
    requires static transitive org.jspecify;
    requires static spring.tx;

    exports io.idempotencykey.jpa;

    opens io.idempotencykey.jpa to
            org.hibernate.orm.core;
}
