package io.idempotencykey.benchmarks;

import jakarta.persistence.EntityManagerFactory;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import org.hibernate.Session;
import org.hibernate.SessionFactory;

/** How hand-written code writes a row of the application's on a transaction's connection. */
@FunctionalInterface
interface BookingRows {
    String INSERT = "insert into booking (content, id) values (?, ?)";

    void book(Connection connection, String id, String content) throws SQLException;

    /** By a statement. */
    static BookingRows statements() {
        return (connection, id, content) -> {
            try (PreparedStatement insert = connection.prepareStatement(INSERT)) {
                insert.setString(1, content);
                insert.setString(2, id);
                insert.executeUpdate();
            }
        };
    }

    /** As an entity in a session of Hibernate's, which is the way on the library's side, within the transaction. */
    static BookingRows entities(EntityManagerFactory factory) {
        SessionFactory sessions = factory.unwrap(SessionFactory.class);
        return (connection, id, content) -> {
            try (Session session = sessions.withOptions().connection(connection).openSession()) {
                session.persist(new Booking(id, content));
                session.flush();
            }
        };
    }
}
