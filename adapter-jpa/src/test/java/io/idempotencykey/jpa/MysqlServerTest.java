package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Servers say by their version whether the adapter works with them. */
class MysqlServerTest {
    @ParameterizedTest
    @CsvSource({
        "5.7.44-log,            MySQL Community Server (GPL)",
        "8.0.16,                MySQL Community Server - GPL",
        "8.0.11-TiDB-v8.5.0,    TiDB Server (Apache License 2.0)",
        "8.0.30-Vitess,         Version: 21.0.0",
        "5.7.25-OceanBase_CE-v4.3.5.0, OceanBase_CE",
        "5.7.32,                SingleStoreDB source distribution"
    })
    void anOldServerAndOneThatOnlySpeaksTheProtocolAreRefused(String version, String comment) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> MysqlDialect.checkServer(version, comment))
                .withMessageContaining(version)
                .withMessageContaining("allowed");
    }

    @ParameterizedTest
    @CsvSource({
        "8.0.17,                 MySQL Community Server - GPL",
        "8.0.45-0ubuntu0.24.04.1, (Ubuntu)",
        "8.0.36-28,              Percona Server (GPL)",
        "8.4.7,                  MySQL Community Server - GPL",
        "9.5.0-commercial,       MySQL Enterprise Server - Commercial"
    })
    void laterServersAreTaken(String version, String comment) {
        assertThatCode(() -> MysqlDialect.checkServer(version, comment)).doesNotThrowAnyException();
    }
}
