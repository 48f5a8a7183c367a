package com.example.orders;

import io.idempotencykey.spring.web.Idempotent;
import java.net.URI;
import java.util.List;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RestController;

@RestController
public class OrderController {
    private final OrderService orders;

    public OrderController(OrderService orders) {
        this.orders = orders;
    }

    @PostMapping("/orders")
    @Idempotent("place-order")
    public ResponseEntity<Order> place(@RequestBody NewOrder order) {
        Order placed = orders.place(order);
        return ResponseEntity.created(URI.create("/orders/" + placed.getId())).body(placed);
    }

    @GetMapping("/orders")
    public List<Order> all() {
        return orders.all();
    }
}
