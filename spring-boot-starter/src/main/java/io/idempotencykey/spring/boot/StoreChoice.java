package io.idempotencykey.spring.boot;

import org.springframework.beans.factory.BeanFactoryUtils;
import org.springframework.context.ApplicationContext;
import org.springframework.util.ClassUtils;

/** Which database an application's requests write to. */
final class StoreChoice {
    private StoreChoice() {}

    static boolean hasBean(String type, ApplicationContext application) {
        ClassLoader classes = application.getClassLoader();
        return ClassUtils.isPresent(type, classes)
                && BeanFactoryUtils.beanNamesForTypeIncludingAncestors(
                                        application, ClassUtils.resolveClassName(type, classes), true, false)
                                .length
                        > 0;
    }

    static StoreSetupException open() {
        return new StoreSetupException(
                "The application has JPA and MongoDB, and nothing says which of them its idempotent requests write to."
                        + " In the other one, their writes would be neither fenced nor rolled back.",
                "Set 'idempotency.store' to 'jpa' or 'mongo'.",
                null);
    }
}
