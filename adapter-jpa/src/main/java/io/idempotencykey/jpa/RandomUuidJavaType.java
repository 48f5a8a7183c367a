package io.idempotencykey.jpa;

import org.hibernate.dialect.MySQLDialect;
import org.hibernate.type.SqlTypes;
import org.hibernate.type.descriptor.java.UUIDJavaType;
import org.hibernate.type.descriptor.jdbc.JdbcType;
import org.hibernate.type.descriptor.jdbc.JdbcTypeIndicators;

/**
 * 128 random bits as the database's {@code uuid}, and as {@code binary(16)} on MariaDB, whose {@code uuid} refuses
 * some.
 */
final class RandomUuidJavaType extends UUIDJavaType {
    private static final long serialVersionUID = 1L;

    @Override
    public JdbcType getRecommendedJdbcType(JdbcTypeIndicators context) {
        return context.getJdbcType(context.getDialect() instanceof MySQLDialect ? SqlTypes.BINARY : SqlTypes.UUID);
    }
}
