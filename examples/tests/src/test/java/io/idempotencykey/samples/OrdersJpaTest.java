package io.idempotencykey.samples;

class OrdersJpaTest extends OrdersContract {
    OrdersJpaTest() {
        super("orders-jpa");
    }

    @Override
    String[] database() {
        return new String[] {"spring.datasource.url=" + PostgresqlServer.newDatabase()};
    }
}
