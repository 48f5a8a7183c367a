package com.example.orders;

import jakarta.enterprise.context.ApplicationScoped;
import jakarta.persistence.EntityManager;
import jakarta.transaction.Transactional;
import java.util.List;

@ApplicationScoped
public class OrderService {
    private static final int IN_STOCK = 10;

    private final EntityManager entityManager;

    public OrderService(EntityManager entityManager) {
        this.entityManager = entityManager;
    }

    @Transactional
    public Order place(NewOrder wanted) {
        Order order = new Order(wanted.item(), wanted.quantity());
        entityManager.persist(order);
        long sold = entityManager
                .createQuery("select sum(quantity) from Order where item = ?1", Long.class)
                .setParameter(1, wanted.item())
                .getSingleResult();
        if (sold > IN_STOCK) {
            throw new SoldOut(wanted.item());
        }
        return order;
    }

    @Transactional
    public void cancel(long id) {
        entityManager.remove(entityManager.getReference(Order.class, id));
    }

    @Transactional
    public List<Order> all() {
        return entityManager.createQuery("from Order", Order.class).getResultList();
    }
}
