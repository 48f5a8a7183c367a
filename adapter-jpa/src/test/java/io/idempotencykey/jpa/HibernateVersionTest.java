package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class HibernateVersionTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "3.6.10.Final",
                "5.6.15.Final",
                "6.0.0.Final",
                "6.2.7.Final-redhat-00001",
                "6.5",
                "6.5.3.Final",
                "6.5.3-SNAPSHOT",
                "8.0",
                "8.0.0.Alpha1",
                "8.0.0.Final",
                "8.1-SNAPSHOT",
                "10.0.0.Final",
                "66.6.0.Final"
            })
    void anUnsupportedVersionIsRefused(String version) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> HibernateVersion.check(version))
                .withMessage("Hibernate ORM is '" + version + "'; allowed: 6.6 to 7.x");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "6.6",
                "6.6.0.CR1",
                "6.6.0.Final",
                "6.6.53.Final",
                "6.6-SNAPSHOT",
                "6.10.0.Final",
                "7.0.0.Beta1",
                "7.0.0.Final",
                "7.1.11.Final",
                "7.4.13.Final",
                "7.10.0.Final",
                "7.99.0-SNAPSHOT"
            })
    void aSupportedVersionIsTaken(String version) {
        assertThatCode(() -> HibernateVersion.check(version)).doesNotThrowAnyException();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                " ",
                "5",
                "8",
                "[WORKING]",
                "unknown",
                "v8.0.0",
                "-1.0",
                ".5.0",
                "5.",
                "5.x",
                "99999999999999999999.0",
                "5.99999999999999999999",
                "20240131-5"
            })
    void aVersionThatCannotBeReadIsTaken(String version) {
        assertThatCode(() -> HibernateVersion.check(version)).doesNotThrowAnyException();
    }

    @Test
    void theVersionOfTheseTestsIsTaken() {
        assertThatCode(HibernateVersion::check).doesNotThrowAnyException();
    }
}
