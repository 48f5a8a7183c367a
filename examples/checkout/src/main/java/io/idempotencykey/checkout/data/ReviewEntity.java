package io.idempotencykey.checkout.data;

import io.idempotencykey.checkout.Review;
import jakarta.persistence.Column;
import jakarta.persistence.Entity;
import jakarta.persistence.GeneratedValue;
import jakarta.persistence.GenerationType;
import jakarta.persistence.Id;
import jakarta.persistence.Table;
import org.jspecify.annotations.Nullable;

/** A {@link Review} as it is stored. */
@Entity
@Table(name = "review")
class ReviewEntity {
    @Id
    @GeneratedValue(strategy = GenerationType.IDENTITY)
    private @Nullable Long number;

    private String id = "";
    private String shop = "";
    private String sku = "";
    private long stars;

    @Column(name = "content")
    private String text = "";

    /** For the persistence provider. */
    ReviewEntity() {}

    ReviewEntity(Review review) {
        id = review.id();
        shop = review.shop();
        sku = review.sku();
        stars = review.stars();
        text = review.text();
    }

    Review value() {
        return new Review(id, shop, sku, stars, text);
    }
}
