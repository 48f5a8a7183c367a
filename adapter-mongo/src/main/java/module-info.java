/** Idempotency keys in the application's own MongoDB database. */
@SuppressWarnings({"requires-automatic", "requires-transitive-automatic"}) // The driver has no module descriptors
module io.idempotencykey.mongo {
    requires transitive io.idempotencykey.core;
    requires transitive org.mongodb.driver.sync.client;
    requires org.mongodb.bson;
    requires org.mongodb.driver.core;
    requires static transitive org.jspecify;

    exports io.idempotencykey.mongo;
}
