package io.idempotencykey.checkout;

import java.util.List;
import java.util.Optional;

/** A cart that one key has taken, which it stays, with what its stages have found out so far. */
record Reservation(CartId cart, String heldBy, List<TaxLine> taxLines, Optional<String> payment) {
    Reservation {
        taxLines = List.copyOf(taxLines);
    }

    Reservation paidWith(String paymentId) {
        return new Reservation(cart, heldBy, taxLines, Optional.of(paymentId));
    }

    /** In cents, tax included. */
    long total() {
        return taxLines.stream().mapToLong(line -> line.net() + line.tax()).sum();
    }
}
