package io.idempotencykey.inmemory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectMethod;

import io.idempotencykey.inmemory.InMemoryContractTest.Rows;
import io.idempotencykey.port.KeyStore;
import java.io.IOException;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.platform.engine.DiscoverySelector;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.support.descriptor.MethodSource;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

/** The published contract notices what a store can get wrong. */
class MutantTest {
    private static final String EVERY_CASE = "";

    @ParameterizedTest
    @EnumSource
    void theContractNoticesAStoreThat(Mutant mutant) {
        Run run = Run.of(mutant::over, mutant.noticedBy());

        assertThat(run.cases).as("how often %s is run", mutant.noticedBy()).hasPositiveValue();
        assertThat(run.failures)
                .as("the case that notices a store that %s; all of them: %s", mutant.what(), everyNoticing(mutant, run))
                .containsOnlyKeys(mutant.noticedBy());
        assertThat(run.failures.get(mutant.noticedBy())).isInstanceOf(AssertionError.class);
    }

    /** Where another case than the named one notices, its name is worth knowing. */
    private static Object everyNoticing(Mutant mutant, Run run) {
        return run.failures.isEmpty()
                ? Run.of(mutant::over, EVERY_CASE).failures.keySet()
                : "not asked for";
    }

    @Test
    void theContractPassesTheRightStore() {
        Run run = Run.of(InMemoryKeyStore::new, EVERY_CASE);

        assertThat(run.failures).isEmpty();
        assertThat(run.cases).hasValueGreaterThan(300);
    }

    @Test
    void theDocumentationNamesEveryMutantAndTheCaseThatNoticesIt() throws IOException {
        String rows = Arrays.stream(Mutant.values())
                .map(mutant -> "| " + mutant.what() + " | `" + mutant.noticedBy() + "` |\n")
                .collect(Collectors.joining());

        assertThat(Files.readString(Path.of("../docs/ADAPTERS.md"))).contains("|---|---|\n" + rows + "\n");
    }

    /** A run of the contract. */
    private static final class Run implements TestExecutionListener {
        /** The first failure of each case that failed. */
        private final SortedMap<String, Throwable> failures = new TreeMap<>();

        private final AtomicInteger cases = new AtomicInteger();

        static Run of(Function<InMemoryTransactions<Rows>, KeyStore<Rows>> store, String wanted) {
            Run run = new Run();
            MutatedContract.underTest = store;
            LauncherDiscoveryRequest request = LauncherDiscoveryRequestBuilder.request()
                    .selectors(wanted.isEmpty() ? selectClass(MutatedContract.class) : caseNamed(wanted))
                    .build();
            LauncherFactory.create().execute(request, run);
            return run;
        }

        /** Alone, since finding all cases takes longer than running one. */
        private static DiscoverySelector caseNamed(String wanted) {
            return Arrays.stream(MutatedContract.class.getMethods())
                    .filter(method -> nameOf(method).equals(wanted))
                    .map(method -> selectMethod(MutatedContract.class, method))
                    .findAny()
                    .orElseThrow(() -> new AssertionError("the contract has no case " + wanted));
        }

        private static String nameOf(Method method) {
            return method.getDeclaringClass().getSimpleName() + "." + method.getName();
        }

        private static Optional<String> nameOf(Object source) {
            if (source instanceof MethodSource found) {
                return Optional.of(nameOf(found.getJavaMethod()));
            }
            return Optional.empty();
        }

        @Override
        public void executionFinished(TestIdentifier test, TestExecutionResult result) {
            if (test.isTest()) {
                cases.incrementAndGet();
            }
            result.getThrowable()
                    .ifPresent(thrown -> failures.putIfAbsent(
                            test.getSource().flatMap(Run::nameOf).orElse("the suite"), thrown));
        }
    }
}
