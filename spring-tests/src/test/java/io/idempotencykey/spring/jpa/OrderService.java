package io.idempotencykey.spring.jpa;

import org.springframework.context.ApplicationEventPublisher;
import org.springframework.transaction.annotation.Propagation;
import org.springframework.transaction.annotation.Transactional;
import org.springframework.transaction.interceptor.TransactionAspectSupport;

/** An application's service, which knows nothing of stages. */
public class OrderService {
    private final OrderRepository orders;
    private final ApplicationEventPublisher events;

    OrderService(OrderRepository orders, ApplicationEventPublisher events) {
        this.orders = orders;
        this.events = events;
    }

    @Transactional
    public void required(String name) {
        orders.save(new PlacedOrder(name));
    }

    @Transactional(propagation = Propagation.SUPPORTS)
    public void supports(String name) {
        orders.save(new PlacedOrder(name));
    }

    @Transactional(propagation = Propagation.MANDATORY)
    public void mandatory(String name) {
        orders.save(new PlacedOrder(name));
    }

    @Transactional(propagation = Propagation.NEVER)
    public void never(String name) {
        orders.save(new PlacedOrder(name));
    }

    @Transactional(propagation = Propagation.NESTED)
    public void nested(String name) {
        orders.save(new PlacedOrder(name));
    }

    @Transactional(propagation = Propagation.REQUIRES_NEW)
    public void requiresNew(String name) {
        orders.save(new PlacedOrder(name));
    }

    @Transactional(propagation = Propagation.NOT_SUPPORTED)
    public void notSupported(String name) {
        orders.save(new PlacedOrder(name));
    }

    @Transactional
    public void failing(String name) {
        orders.save(new PlacedOrder(name));
        throw new IllegalArgumentException("thrown by the service");
    }

    @Transactional
    public void marking(String name) {
        orders.save(new PlacedOrder(name));
        TransactionAspectSupport.currentTransactionStatus().setRollbackOnly();
    }

    @Transactional
    public void with(Runnable other) {
        other.run();
    }

    /** The event says what its listeners do. */
    @Transactional
    public void publishing(String name, OrderListener.Placed event) {
        orders.save(new PlacedOrder(name));
        events.publishEvent(event);
    }
}
