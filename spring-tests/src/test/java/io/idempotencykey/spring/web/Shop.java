package io.idempotencykey.spring.web;

import jakarta.persistence.Entity;
import jakarta.persistence.EntityManager;
import jakarta.persistence.GeneratedValue;
import jakarta.persistence.Id;
import jakarta.validation.Valid;
import jakarta.validation.constraints.NotBlank;
import java.net.URI;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.dao.DataIntegrityViolationException;
import org.springframework.data.jpa.repository.JpaRepository;
import org.springframework.data.jpa.repository.config.EnableJpaRepositories;
import org.springframework.http.HttpStatus;
import org.springframework.http.MediaType;
import org.springframework.http.ProblemDetail;
import org.springframework.http.ResponseEntity;
import org.springframework.stereotype.Service;
import org.springframework.transaction.annotation.Transactional;
import org.springframework.web.bind.annotation.ExceptionHandler;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.ResponseStatus;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.bind.annotation.RestControllerAdvice;
import org.springframework.web.server.ResponseStatusException;

/** An application as there are many: a controller, a service with transactions, a repository, an exception advice. */
@SpringBootApplication
@EnableJpaRepositories(considerNestedRepositories = true)
class Shop {
    @Entity
    static class Purchase {
        @Id
        @GeneratedValue
        @Nullable
        Long id;

        String item = "";

        protected Purchase() {}

        Purchase(String item) {
            this.item = item;
        }

        public @Nullable Long getId() {
            return id;
        }

        public String getItem() {
            return item;
        }
    }

    interface Purchases extends JpaRepository<Purchase, Long> {
        List<Purchase> findByItem(String item);
    }

    /** It can be spent once. */
    @Entity
    static class Voucher {
        @Id
        String code = "";

        protected Voucher() {}

        Voucher(String code) {
            this.code = code;
        }
    }

    record NewPurchase(@NotBlank String item, int quantity) {}

    /** What there isn't, which no retry changes. */
    static class NoSuchItem extends RuntimeException {
        private static final long serialVersionUID = 1L;
    }

    /** What a retry may find otherwise. */
    static class SoldOut extends RuntimeException {
        private static final long serialVersionUID = 1L;
    }

    @Service
    static class Selling {
        private final Purchases purchases;
        private final EntityManager entityManager;

        Selling(Purchases purchases, EntityManager entityManager) {
            this.purchases = purchases;
            this.entityManager = entityManager;
        }

        /** The row is written, and refused if there is one, when the transaction is about to commit. */
        @Transactional
        public void spend(String code) {
            entityManager.persist(new Voucher(code));
        }

        @Transactional
        public Purchase sell(NewPurchase purchase) {
            Purchase sold = purchases.saveAndFlush(new Purchase(purchase.item()));
            switch (purchase.item()) {
                case "unknown" -> throw new NoSuchItem();
                case "sold out" -> throw new SoldOut();
                case "broken" -> throw new IllegalStateException("broken");
                case "status" -> throw new ResponseStatusException(HttpStatus.GONE, "it is gone");
                default -> {}
            }
            return sold;
        }
    }

    @RestController
    static class Controller {
        final AtomicInteger calls = new AtomicInteger();
        /** What a call does before it sells. */
        final AtomicReference<Runnable> before = new AtomicReference<>(() -> {});

        /** What a call does after it has sold. */
        final AtomicReference<Runnable> after = new AtomicReference<>(() -> {});

        private final Selling selling;

        Controller(Selling selling) {
            this.selling = selling;
        }

        private Purchase sell(NewPurchase purchase) {
            calls.incrementAndGet();
            Objects.requireNonNull(before.get()).run();
            Purchase sold = selling.sell(purchase);
            Objects.requireNonNull(after.get()).run();
            return sold;
        }

        @PostMapping("/purchases")
        @Idempotent("purchase")
        ResponseEntity<Purchase> purchase(@RequestBody @Valid NewPurchase purchase) {
            Purchase sold = sell(purchase);
            return ResponseEntity.created(URI.create("/purchases/" + sold.getId()))
                    .header("Set-Cookie", "session=secret")
                    .header("X-Trace", "1")
                    .body(sold);
        }

        @PostMapping("/shops/{shop}/purchases")
        @Idempotent
        @ResponseStatus(HttpStatus.CREATED)
        Purchase purchaseIn(@PathVariable("shop") String shop, @RequestBody @Valid NewPurchase purchase) {
            return sell(purchase);
        }

        @PostMapping("/optional")
        @Idempotent(value = "optional", key = Idempotent.Key.OPTIONAL)
        Purchase optional(@RequestBody NewPurchase purchase) {
            return sell(purchase);
        }

        @PostMapping("/answers")
        @Idempotent(value = "answers", answers = SoldOut.class, releases = NoSuchItem.class, lease = "5s")
        Purchase answers(@RequestBody NewPurchase purchase) {
            return sell(purchase);
        }

        @PostMapping("/returned/{status}")
        @Idempotent("returned")
        ResponseEntity<String> returned(@PathVariable("status") int status) {
            sell(new NewPurchase("returned", 1));
            return ResponseEntity.status(status).body("status " + status);
        }

        @PostMapping(value = "/form", consumes = MediaType.APPLICATION_FORM_URLENCODED_VALUE)
        @Idempotent("form")
        String form(@RequestParam("item") String item) {
            return "sold " + sell(new NewPurchase(item, 1)).getItem();
        }

        @PostMapping("/text")
        @Idempotent("text")
        String text(@RequestBody String item, @RequestParam(name = "quantity", defaultValue = "1") int quantity) {
            return "sold " + sell(new NewPurchase(item, quantity)).getItem();
        }

        @PostMapping("/large/{bytes}")
        @Idempotent("large")
        String large(@PathVariable("bytes") int bytes) {
            sell(new NewPurchase("large", 1));
            return "x".repeat(bytes);
        }

        @PostMapping("/vouchers/{code}")
        @Idempotent("spend")
        String spend(@PathVariable("code") String code) {
            calls.incrementAndGet();
            selling.spend(code);
            return "spent";
        }

        @PostMapping("/plain")
        Purchase plain(@RequestBody NewPurchase purchase) {
            return sell(purchase);
        }
    }

    /** It takes every exception, as many applications' do. */
    @RestControllerAdvice
    static class Advice {
        @ExceptionHandler
        ProblemDetail noSuchItem(NoSuchItem exception) {
            return ProblemDetail.forStatusAndDetail(HttpStatus.NOT_FOUND, "no such item");
        }

        @ExceptionHandler
        ResponseEntity<Map<String, String>> soldOut(SoldOut exception) {
            return ResponseEntity.status(HttpStatus.CONFLICT).body(Map.of("error", "sold out"));
        }

        @ExceptionHandler
        ResponseEntity<Map<String, String>> spent(DataIntegrityViolationException exception) {
            return ResponseEntity.status(422).body(Map.of("error", "spent before"));
        }

        @ExceptionHandler
        ResponseEntity<Map<String, String>> other(IllegalStateException exception) {
            return ResponseEntity.status(HttpStatus.INTERNAL_SERVER_ERROR).body(Map.of("error", "internal"));
        }
    }
}
