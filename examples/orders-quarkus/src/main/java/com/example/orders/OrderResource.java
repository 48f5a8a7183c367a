package com.example.orders;

import jakarta.ws.rs.DELETE;
import jakarta.ws.rs.GET;
import jakarta.ws.rs.POST;
import jakarta.ws.rs.Path;
import jakarta.ws.rs.core.Response;
import java.net.URI;
import java.util.List;

@Path("/orders")
public class OrderResource {
    private final OrderService orders;
    private final IdempotentRequests requests;

    public OrderResource(OrderService orders, IdempotentRequests requests) {
        this.orders = orders;
        this.requests = requests;
    }

    @POST
    public Response place(NewOrder order) {
        return requests.once("place-order", order, () -> {
            Order placed = orders.place(order);
            return Response.created(URI.create("/orders/" + placed.getId()))
                    .entity(placed)
                    .build();
        });
    }

    @DELETE
    @Path("/{id}")
    public void cancel(long id) {
        orders.cancel(id);
    }

    @GET
    public List<Order> all() {
        return orders.all();
    }
}
