package com.example.orders;

import jakarta.enterprise.context.ApplicationScoped;
import jakarta.inject.Singleton;
import jakarta.persistence.EntityManager;
import jakarta.transaction.Transactional;
import jakarta.ws.rs.POST;
import jakarta.ws.rs.Path;
import jakarta.ws.rs.core.Response;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** What a request may do wrong, or at an unlucky time. */
@Singleton
@Path("/trials")
public class TrialResource {
    static volatile CountDownLatch runs = new CountDownLatch(1);
    static volatile CountDownLatch goesOn = new CountDownLatch(0);

    private final OrderService orders;
    private final Notes notes;
    private final IdempotentRequests requests;

    public TrialResource(OrderService orders, Notes notes, IdempotentRequests requests) {
        this.orders = orders;
        this.notes = notes;
        this.requests = requests;
    }

    /** Writes in a transaction of its own. */
    @ApplicationScoped
    public static class Notes {
        private final EntityManager entityManager;

        public Notes(EntityManager entityManager) {
            this.entityManager = entityManager;
        }

        @Transactional(Transactional.TxType.REQUIRES_NEW)
        public void write(NewOrder order) {
            entityManager.persist(new Order(order.item(), order.quantity()));
        }
    }

    @POST
    @Path("/slow")
    public Response slow(NewOrder order) {
        return requests.once("slow", order, () -> {
            Order placed = orders.place(order);
            runs.countDown();
            try {
                if (!goesOn.await(2, TimeUnit.MINUTES)) {
                    throw new IllegalStateException("the test doesn't go on");
                }
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
            return Response.ok(placed).build();
        });
    }

    @POST
    @Path("/swallowing")
    public Response swallowing(NewOrder order) {
        return requests.once("swallowing", order, () -> {
            try {
                return Response.ok(orders.place(order)).build();
            } catch (SoldOut e) {
                return Response.ok("later").build();
            }
        });
    }

    @POST
    @Path("/leaving")
    public Response leaving(NewOrder order) {
        return requests.once("leaving", order, () -> {
            notes.write(order);
            return Response.ok().build();
        });
    }

    @POST
    @Path("/outer")
    @Transactional
    public Response outer(NewOrder order) {
        return requests.once(
                "outer", order, () -> Response.ok(orders.place(order)).build());
    }
}
