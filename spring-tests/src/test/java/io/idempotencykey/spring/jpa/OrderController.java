package io.idempotencykey.spring.jpa;

import java.util.function.Supplier;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

/** Answers a request as a test says. */
@RestController
public class OrderController {
    volatile Supplier<String> handler = () -> "";

    @GetMapping("/orders")
    public String handle() {
        return handler.get();
    }
}
