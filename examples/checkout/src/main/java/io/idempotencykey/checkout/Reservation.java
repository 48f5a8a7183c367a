package io.idempotencykey.checkout;

import java.util.List;
import java.util.Optional;

/** A cart that one key has taken, with the results of the stages so far. Another key can't take it any more. */
public record Reservation(CartId cart, String heldBy, List<TaxLine> taxLines, Optional<String> payment) {
    public Reservation {
        taxLines = List.copyOf(taxLines);
    }

    Reservation paidWith(String paymentId) {
        return new Reservation(cart, heldBy, taxLines, Optional.of(paymentId));
    }

    /** The total in cents, tax included. */
    public long total() {
        return taxLines.stream().mapToLong(line -> line.net() + line.tax()).sum();
    }
}
