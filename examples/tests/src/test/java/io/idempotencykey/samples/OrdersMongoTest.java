package io.idempotencykey.samples;

class OrdersMongoTest extends OrdersContract {
    OrdersMongoTest() {
        super("orders-mongo");
    }

    @Override
    String[] database() {
        return new String[] {"spring.mongodb.uri=" + MongoServer.newDatabase()};
    }
}
