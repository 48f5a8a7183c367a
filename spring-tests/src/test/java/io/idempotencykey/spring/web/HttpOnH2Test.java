package io.idempotencykey.spring.web;

class HttpOnH2Test extends HttpContract {
    HttpOnH2Test() {
        super(
                "spring.datasource.url=jdbc:h2:mem:http;DB_CLOSE_DELAY=-1",
                "spring.jpa.hibernate.ddl-auto=create",
                ASKS_THE_STORE);
    }
}
