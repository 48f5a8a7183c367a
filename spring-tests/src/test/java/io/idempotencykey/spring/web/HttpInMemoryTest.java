package io.idempotencykey.spring.web;

/** The keys are in memory, the application's rows in a database. */
class HttpInMemoryTest extends HttpContract {
    HttpInMemoryTest() {
        super(
                "spring.datasource.url=jdbc:h2:mem:memory;DB_CLOSE_DELAY=-1",
                "spring.jpa.hibernate.ddl-auto=create",
                "idempotency.store=in-memory",
                "idempotency.background.enabled=false");
    }

    @Override
    boolean conflictsAreRunAgain() {
        return false;
    }
}
