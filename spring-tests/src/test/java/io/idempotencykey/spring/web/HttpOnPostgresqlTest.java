package io.idempotencykey.spring.web;

import io.idempotencykey.spring.PostgresqlServer;

class HttpOnPostgresqlTest extends HttpContract {
    HttpOnPostgresqlTest() {
        super(
                "spring.datasource.url=" + PostgresqlServer.newDatabase(),
                "spring.jpa.hibernate.ddl-auto=create",
                ASKS_THE_STORE);
    }
}
