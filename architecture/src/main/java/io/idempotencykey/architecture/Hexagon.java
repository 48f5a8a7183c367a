package io.idempotencykey.architecture;

import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.core.domain.JavaModifier.SYNCHRONIZED;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noMethods;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.lang.ArchRule;
import java.time.Clock;
import java.time.Instant;
import java.util.Date;
import java.util.List;

/** The rules of the hexagon for whatever lies under a root package. */
record Hexagon(String root, List<String> adapters) {
    /** Core knows the JDK, annotations of nullness, and itself. */
    ArchRule coreKnowsNoAdapterAndNoDriver() {
        return classes()
                .that(isCore())
                .should()
                .onlyDependOnClassesThat(isCore().or(resideInAnyPackage("java..", "org.jspecify..")))
                .andShould()
                .onlyDependOnClassesThat(DescribedPredicate.not(resideInAnyPackage("java.sql..")));
    }

    /** Adapters use core's words and its port; what decides is out of their sight. */
    ArchRule adaptersMeetCoreAtItsPortOnly() {
        return noClasses()
                .that(isAdapter())
                .should()
                .dependOnClassesThat(resideInAnyPackage(root + ".service..", root + ".internal.."));
    }

    ArchRule adaptersDoNotKnowEachOther() {
        return slices().assignedFrom(new AdapterAssignment(this)).should().notDependOnEachOther();
    }

    ArchRule packagesHaveNoCycles() {
        return slices().matching(root + ".(**)").should().beFreeOfCycles();
    }

    /** What is particular to a database knows JDBC only, whatever an adapter reaches the database by. */
    ArchRule dialectsKnowJdbcOnly() {
        return classes()
                .that(isAdapter())
                .and()
                .haveNameMatching(".*(Dialect|\\.Failure|\\.KeyTable|\\.KeyRow|\\.Statements)")
                .and()
                .resideOutsideOfPackage(root + ".mongo..")
                .should()
                .onlyDependOnClassesThat(
                        isCore().or(isAdapter()).or(resideInAnyPackage("java..", "javax.sql..", "org.jspecify..")));
    }

    /** A thread that waits in a synchronized method pins the carrier of a virtual thread on many JDKs. */
    ArchRule noMethodIsSynchronized() {
        return noMethods()
                .that()
                .areDeclaredInClassesThat(isCore().or(isAdapter()))
                .should()
                .haveModifier(SYNCHRONIZED);
    }

    /** Applications' clocks may be wrong: time is the store's. */
    ArchRule nobodyAsksTheClock() {
        return noClasses()
                .that(isCore().or(isAdapter()))
                .should()
                .callMethod(Instant.class, "now")
                .orShould()
                .callMethod(System.class, "currentTimeMillis")
                .orShould()
                .callMethod(Clock.class, "systemUTC")
                .orShould()
                .callMethod(Clock.class, "systemDefaultZone")
                .orShould()
                .callConstructor(Date.class);
    }

    DescribedPredicate<JavaClass> isCore() {
        return resideInAnyPackage(root, root + ".port..", root + ".service..", root + ".internal..")
                .as("core");
    }

    DescribedPredicate<JavaClass> isAdapter() {
        return DescribedPredicate.or(adapters.stream()
                        .map(adapter -> resideInAPackage(root + "." + adapter + ".."))
                        .toList())
                .as("an adapter");
    }
}
