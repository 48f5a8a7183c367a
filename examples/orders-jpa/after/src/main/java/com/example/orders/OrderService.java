package com.example.orders;

import java.util.List;
import org.springframework.stereotype.Service;
import org.springframework.transaction.annotation.Transactional;

@Service
public class OrderService {
    private final OrderRepository orders;

    public OrderService(OrderRepository orders) {
        this.orders = orders;
    }

    @Transactional
    public Order place(NewOrder order) {
        return orders.save(new Order(order.item(), order.quantity()));
    }

    @Transactional(readOnly = true)
    public List<Order> all() {
        return orders.findAll();
    }
}
