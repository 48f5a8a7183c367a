package io.idempotencykey.architecture;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.library.dependencies.SliceAssignment;
import com.tngtech.archunit.library.dependencies.SliceIdentifier;

/** One slice per adapter; all other classes belong to none. */
record AdapterAssignment(Hexagon hexagon) implements SliceAssignment {
    @Override
    public SliceIdentifier getIdentifierOf(JavaClass javaClass) {
        return hexagon.adapters().stream()
                .filter(adapter -> (javaClass.getPackageName() + ".").startsWith(hexagon.root() + "." + adapter + "."))
                .findFirst()
                .map(SliceIdentifier::of)
                .orElse(SliceIdentifier.ignore());
    }

    @Override
    public String getDescription() {
        return "adapters";
    }
}
