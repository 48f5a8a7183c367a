/** Idempotency keys in the application's own database, through Hibernate ORM. */
@SuppressWarnings("requires-automatic") // Hibernate has no module descriptor
module io.idempotencykey.jpa {
    requires transitive io.idempotencykey.core;
    requires transitive jakarta.persistence;
    requires java.sql;
    requires java.transaction.xa;
    requires jakarta.transaction;
    requires org.hibernate.orm.core;
    requires static transitive org.jspecify;

    exports io.idempotencykey.jpa;

    opens io.idempotencykey.jpa to
            org.hibernate.orm.core;
}
