package io.idempotencykey.checkout.data;

import io.idempotencykey.checkout.CartId;
import io.idempotencykey.checkout.Reservation;
import io.idempotencykey.checkout.TaxLine;
import jakarta.persistence.CollectionTable;
import jakarta.persistence.Column;
import jakarta.persistence.ElementCollection;
import jakarta.persistence.EmbeddedId;
import jakarta.persistence.Entity;
import jakarta.persistence.FetchType;
import jakarta.persistence.JoinColumn;
import jakarta.persistence.OrderColumn;
import jakarta.persistence.Table;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** A {@link Reservation} as it is stored. */
@Entity
@Table(name = "reservation")
class ReservationEntity {
    @EmbeddedId
    private CartId cart = new CartId("", "");

    @Column(name = "held_by")
    private String heldBy = "";

    @ElementCollection(fetch = FetchType.EAGER)
    @CollectionTable(
            name = "reservation_tax_line",
            joinColumns = {@JoinColumn(name = "shop"), @JoinColumn(name = "cart")})
    @OrderColumn(name = "position")
    private List<TaxLine> taxLines = new ArrayList<>();

    private @Nullable String payment;

    /** For the persistence provider. */
    ReservationEntity() {}

    ReservationEntity(Reservation reservation) {
        cart = reservation.cart();
        taxLines = new ArrayList<>(reservation.taxLines());
        update(reservation);
    }

    final void update(Reservation reservation) {
        heldBy = reservation.heldBy();
        if (!taxLines.equals(reservation.taxLines())) {
            taxLines.clear();
            taxLines.addAll(reservation.taxLines());
        }
        payment = reservation.payment().orElse(null);
    }

    Reservation value() {
        return new Reservation(cart, heldBy, taxLines, Optional.ofNullable(payment));
    }
}
