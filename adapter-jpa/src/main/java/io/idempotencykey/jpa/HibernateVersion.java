package io.idempotencykey.jpa;

import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.hibernate.Version;

/** The versions of Hibernate ORM that the adapter works with. Others lack methods that it calls. */
final class HibernateVersion {
    private static final Pattern NUMBERS = Pattern.compile("(\\d{1,6})\\.(\\d{1,6})(?!\\d).*", Pattern.DOTALL);

    private HibernateVersion() {}

    /**
     * Throws if the version at run time isn't supported.
     *
     * <p>Hibernate 6 reads its version from the manifest of its jar. That jar may be the application's, with Hibernate
     * unpacked into it and a version of its own, and then nothing is checked.
     *
     * @throws IllegalArgumentException if it isn't supported
     */
    static void check() {
        String title = Version.class.getPackage().getImplementationTitle();
        if (title == null || title.equals("hibernate-core")) {
            check(Version.getVersionString());
        }
    }

    /**
     * Throws if a version isn't supported. A version that can't be read is taken for supported.
     *
     * @throws IllegalArgumentException if it isn't supported
     */
    static void check(String version) {
        Matcher numbers = NUMBERS.matcher(version);
        if (!numbers.matches()) {
            return;
        }
        int major = Integer.parseInt(numbers.group(1));
        int minor = Integer.parseInt(numbers.group(2));
        if (major < 6 || (major == 6 && minor < 6) || major > 7) {
            throw new IllegalArgumentException("Hibernate ORM is '" + version + "'; allowed: 6.6 to 7.x");
        }
    }
}
