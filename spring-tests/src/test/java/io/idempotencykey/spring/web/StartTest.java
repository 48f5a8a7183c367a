package io.idempotencykey.spring.web;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Response;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import io.idempotencykey.spring.PostgresqlServer;
import jakarta.persistence.EntityManagerFactory;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.springframework.boot.WebApplicationType;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.core.Ordered;
import org.springframework.http.ResponseEntity;
import org.springframework.orm.jpa.JpaTransactionManager;
import org.springframework.scheduling.annotation.Async;
import org.springframework.stereotype.Controller;
import org.springframework.transaction.annotation.Transactional;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestMapping;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.multipart.MultipartFile;
import org.springframework.web.servlet.mvc.method.annotation.RequestMappingHandlerAdapter;
import org.springframework.web.servlet.mvc.method.annotation.StreamingResponseBody;

/** An application that would be without the guarantee doesn't start, and says what to change. */
@ExtendWith(OutputCaptureExtension.class)
class StartTest {
    private static final String IN_MEMORY = "idempotency.store=in-memory";

    @Configuration(proxyBeanMethods = false)
    @EnableAutoConfiguration
    static class Application {}

    static class OnAService {
        @Idempotent
        public void place() {}
    }

    interface Placing {
        void place();
    }

    /** A proxy stands for it that knows the interface only. */
    static class OnAProxiedService implements Placing {
        @Override
        @Transactional
        @Idempotent
        public void place() {}
    }

    @Controller
    static class WithAView {
        @PostMapping("/orders")
        @Idempotent
        public String place() {
            return "redirect:/";
        }
    }

    @RestController
    static class WithAFuture {
        @PostMapping("/orders")
        @Idempotent
        public CompletableFuture<String> place() {
            return CompletableFuture.completedFuture("");
        }
    }

    @RestController
    static class WithAStream {
        @PostMapping("/orders")
        @Idempotent
        public ResponseEntity<StreamingResponseBody> place() {
            return ResponseEntity.ok(out -> {});
        }
    }

    @RestController
    static class WithAFile {
        @PostMapping("/orders")
        @Idempotent
        public String place(MultipartFile file) {
            return "";
        }
    }

    @RestController
    static class WithAThreadOfItsOwn {
        @Async
        @PostMapping("/orders")
        @Idempotent
        public void place() {}
    }

    @RequestMapping("/orders")
    interface OrdersOverHttp {
        @PostMapping
        String place();
    }

    /** A proxy stands for it, whose only methods are the interface's. */
    @RestController
    static class BehindAnInterface implements OrdersOverHttp {
        @Override
        @Transactional
        @Idempotent
        public String place() {
            return "";
        }
    }

    @RestController
    static class WithAnOperationBehindAdvice {
        @PostMapping("/orders")
        @Transactional
        @Idempotent(operation = "place-order")
        public void place() {}

        @Bean
        static Operation<?> placeOrder(IdempotencyKeyService<?> keys) {
            return keys.operation("place-order")
                    .respond(RecoveryPoint.STARTED, stage -> Response.of(204, new byte[0]))
                    .build();
        }
    }

    static class WithAnAdapterOfTheSamePrecedence {
        @Bean
        RequestMappingHandlerAdapter another() {
            RequestMappingHandlerAdapter adapter = new RequestMappingHandlerAdapter();
            adapter.setOrder(Ordered.HIGHEST_PRECEDENCE);
            return adapter;
        }

        @Bean
        WithAnIdempotentMethod controller() {
            return new WithAnIdempotentMethod();
        }
    }

    @RestController
    static class WithAnIdempotentMethod {
        @PostMapping("/orders")
        @Idempotent
        public String place() {
            return "";
        }
    }

    static class WithTwoScopes {
        @Bean
        KeyScope one() {
            return request -> "one";
        }

        @Bean
        KeyScope two() {
            return request -> "two";
        }
    }

    @RestController
    static class WithOneNameForTwo {
        @PostMapping("/orders")
        @Idempotent("order")
        public String place() {
            return "";
        }

        @PostMapping("/cancellations")
        @Idempotent("order")
        public String cancel() {
            return "";
        }
    }

    @RestController
    static class WithAnIllegalName {
        @PostMapping("/orders")
        @Idempotent("place order")
        public String place() {
            return "";
        }
    }

    @RestController
    static class WithAnIllegalLease {
        @PostMapping("/orders")
        @Idempotent(lease = "0s")
        public String place() {
            return "";
        }
    }

    @RestController
    static class WithAnUnknownOperation {
        @PostMapping("/orders")
        @Idempotent(operation = "place-order")
        public void place() {}
    }

    @RestController
    static class WithAnOperationAndALease {
        @PostMapping("/orders")
        @Idempotent(operation = "place-order", lease = "1s")
        public void place() {}

        @Bean
        <T> Operation<T> placeOrder(IdempotencyKeyService<T> keys) {
            return keys.operation("place-order")
                    .respond(RecoveryPoint.STARTED, stage -> Response.of(204, new byte[0]))
                    .build();
        }
    }

    static List<Arguments> refused() {
        return List.of(
                Arguments.of(OnAService.class, "isn't a handler method of Spring MVC"),
                Arguments.of(OnAProxiedService.class, "isn't a handler method of Spring MVC"),
                Arguments.of(WithAView.class, "return a body (@ResponseBody)"),
                Arguments.of(WithAFuture.class, "return the value itself"),
                Arguments.of(WithAStream.class, "return the value itself"),
                Arguments.of(WithAFile.class, "multipart"),
                Arguments.of(WithAThreadOfItsOwn.class, "is @Async"),
                Arguments.of(BehindAnInterface.class, "isn't a handler method of Spring MVC"),
                Arguments.of(WithAnOperationBehindAdvice.class, "has advice, such as method security"),
                Arguments.of(WithAnAdapterOfTheSamePrecedence.class, "has the highest precedence, too"),
                Arguments.of(WithTwoScopes.class, "expected single matching bean but found 2: one,two"),
                Arguments.of(WithOneNameForTwo.class, "another method has the name 'order'"),
                Arguments.of(WithAnIllegalName.class, "place order"),
                Arguments.of(WithAnIllegalLease.class, "lease"),
                Arguments.of(WithAnUnknownOperation.class, "the operation 'place-order'"),
                Arguments.of(WithAnOperationAndALease.class, "allowed beside it: key"));
    }

    @ParameterizedTest
    @MethodSource("refused")
    void anAnnotationThatCantHaveItsEffectIsRefused(Class<?> annotated, String says) {
        assertThatThrownBy(() -> Started.of(
                                List.of(Application.class, annotated), IN_MEMORY, "spring.aop.proxy-target-class=false")
                        .close())
                .hasStackTraceContaining(says);
    }

    @Test
    void anAnnotationInAnApplicationWithoutSpringMvcIsRefused() {
        assertThatThrownBy(() -> new SpringApplicationBuilder(Application.class, OnAService.class)
                        .web(WebApplicationType.NONE)
                        .run("--" + IN_MEMORY, "--spring.autoconfigure.exclude=" + String.join(",", Applications.MONGO))
                        .close())
                .hasStackTraceContaining("has no effect");
    }

    /** What a person reads who starts the application. */
    private static void assertAnalyzed(CapturedOutput output, String description, String action, String... properties) {
        assertThatThrownBy(() -> Started.of(Application.class, properties).close());
        assertThat(output.getAll())
                .contains("APPLICATION FAILED TO START")
                .contains(description)
                .contains(action);
    }

    @Test
    void aMissingTableIsNamedWithItsFile(CapturedOutput output) {
        String url = PostgresqlServer.newDatabase("drop table idempotency_key");

        assertAnalyzed(
                output,
                "idempotency_key",
                "classpath:io/idempotencykey/jpa/schema/postgresql.sql",
                "spring.datasource.url=" + url);
    }

    @Test
    void theTableIsMadeIfThatIsAskedFor() {
        String url = PostgresqlServer.newDatabase("drop table idempotency_key");

        for (int i = 0; i < 2; i++) {
            Started.of(Application.class, "spring.datasource.url=" + url, "idempotency.schema.initialize=always")
                    .close();
        }
    }

    @Test
    void anApplicationWithoutAnyDatabaseHasToChoose(CapturedOutput output) {
        assertAnalyzed(
                output,
                "There is no store for idempotency keys",
                "'idempotency.store' to 'in-memory'",
                "spring.autoconfigure.exclude=" + String.join(",", Applications.MONGO) + ","
                        + String.join(",", Applications.JPA));
    }

    @Test
    void anApplicationWithJpaAndMongoHasToChoose(CapturedOutput output) {
        assertThatThrownBy(() -> new SpringApplicationBuilder(Application.class)
                .run("--server.port=0")
                .close());
        assertThat(output.getAll()).contains("has JPA and MongoDB").contains("'idempotency.store' to 'jpa' or 'mongo'");
    }

    @Test
    void anUnknownPropertyIsRefused(CapturedOutput output) {
        assertAnalyzed(output, "idempotency.leese", "", IN_MEMORY, "idempotency.leese=1s");
    }

    @Test
    void aPropertyOutOfBoundsIsRefused(CapturedOutput output) {
        assertAnalyzed(output, "argument 'lease' is", "Change the property", IN_MEMORY, "idempotency.lease=0s");
    }

    @Test
    void aConsoleAtAPathThatNoServletCanHaveIsRefused(CapturedOutput output) {
        assertAnalyzed(
                output,
                "'idempotency.console.path' is 'operator/keys/*'",
                "Let it begin with '/'",
                IN_MEMORY,
                "idempotency.console.path=operator/keys/*");
    }

    @Configuration(proxyBeanMethods = false)
    static class TwoManagers {
        @Bean
        JpaTransactionManager one(EntityManagerFactory factory) {
            return new JpaTransactionManager(factory);
        }

        @Bean
        JpaTransactionManager two(EntityManagerFactory factory) {
            return new JpaTransactionManager(factory);
        }
    }

    @Test
    void twoTransactionManagersAreRefused(CapturedOutput output) {
        assertThatThrownBy(
                () -> Started.of(List.of(Application.class, TwoManagers.class)).close());
        assertThat(output.getAll()).contains("2 transaction managers").contains("Keep one JpaTransactionManager");
    }
}
