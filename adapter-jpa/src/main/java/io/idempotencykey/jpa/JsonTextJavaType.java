package io.idempotencykey.jpa;

import org.hibernate.dialect.MariaDBDialect;
import org.hibernate.dialect.MySQLDialect;
import org.hibernate.type.SqlTypes;
import org.hibernate.type.descriptor.java.StringJavaType;
import org.hibernate.type.descriptor.jdbc.JdbcType;
import org.hibernate.type.descriptor.jdbc.JdbcTypeIndicators;

/** Maps a text of JSON to the database's {@code json}, and to a long text on MySQL, whose {@code json} changes it. */
final class JsonTextJavaType extends StringJavaType {
    private static final long serialVersionUID = 1L;

    @Override
    public JdbcType getRecommendedJdbcType(JdbcTypeIndicators context) {
        boolean isMysql =
                context.getDialect() instanceof MySQLDialect && !(context.getDialect() instanceof MariaDBDialect);
        return context.getJdbcType(isMysql ? SqlTypes.LONG32VARCHAR : SqlTypes.JSON);
    }
}
