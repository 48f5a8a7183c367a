package io.idempotencykey.spring.web;

import java.util.List;
import java.util.stream.Stream;
import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.util.ClassUtils;

/** What applications of the tests leave out of what Spring Boot would give them, and what the starter gives them. */
final class Applications {
    /** MongoDB, in every version of Spring Boot. */
    static final List<String> MONGO = present(
            "org.springframework.boot.autoconfigure.data.mongo.MongoDataAutoConfiguration",
            "org.springframework.boot.autoconfigure.data.mongo.MongoRepositoriesAutoConfiguration",
            "org.springframework.boot.autoconfigure.mongo.MongoAutoConfiguration",
            "org.springframework.boot.data.mongodb.autoconfigure.DataMongoAutoConfiguration",
            "org.springframework.boot.data.mongodb.autoconfigure.DataMongoRepositoriesAutoConfiguration",
            "org.springframework.boot.mongodb.autoconfigure.MongoAutoConfiguration");

    /** Relational databases. */
    static final List<String> JPA = present(
            "org.springframework.boot.autoconfigure.data.jpa.JpaRepositoriesAutoConfiguration",
            "org.springframework.boot.autoconfigure.jdbc.DataSourceAutoConfiguration",
            "org.springframework.boot.autoconfigure.orm.jpa.HibernateJpaAutoConfiguration",
            "org.springframework.boot.data.jpa.autoconfigure.DataJpaRepositoriesAutoConfiguration",
            "org.springframework.boot.hibernate.autoconfigure.HibernateJpaAutoConfiguration",
            "org.springframework.boot.jdbc.autoconfigure.DataSourceAutoConfiguration");

    private Applications() {}

    /** What the starter gives an application. */
    static AutoConfigurations starter() {
        try {
            return AutoConfigurations.of(Class.forName("io.idempotencykey.spring.boot.IdempotencyAutoConfiguration"));
        } catch (ClassNotFoundException e) {
            throw new IllegalStateException(e);
        }
    }

    private static List<String> present(String... names) {
        return Stream.of(names)
                .filter(name -> ClassUtils.isPresent(name, Applications.class.getClassLoader()))
                .toList();
    }
}
