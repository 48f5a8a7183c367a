package com.example.orders;

import jakarta.ws.rs.ClientErrorException;
import jakarta.ws.rs.core.Response;

public class SoldOut extends ClientErrorException {
    private static final long serialVersionUID = 1L;

    public SoldOut(String item) {
        super("there is no more " + item, Response.Status.CONFLICT);
    }
}
