package io.idempotencykey.spring.web;

import java.util.List;
import java.util.stream.Stream;
import org.springframework.util.ClassUtils;

/** What applications of the tests leave out of what Spring Boot would give them. */
final class Applications {
    /** MongoDB, in every version of Spring Boot. */
    static final List<String> MONGO = Stream.of(
                    "org.springframework.boot.autoconfigure.data.mongo.MongoDataAutoConfiguration",
                    "org.springframework.boot.autoconfigure.data.mongo.MongoRepositoriesAutoConfiguration",
                    "org.springframework.boot.autoconfigure.mongo.MongoAutoConfiguration",
                    "org.springframework.boot.data.mongodb.autoconfigure.DataMongoAutoConfiguration",
                    "org.springframework.boot.data.mongodb.autoconfigure.DataMongoRepositoriesAutoConfiguration",
                    "org.springframework.boot.mongodb.autoconfigure.MongoAutoConfiguration")
            .filter(name -> ClassUtils.isPresent(name, Applications.class.getClassLoader()))
            .toList();

    private Applications() {}
}
