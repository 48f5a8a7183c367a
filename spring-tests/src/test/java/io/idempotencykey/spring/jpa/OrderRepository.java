package io.idempotencykey.spring.jpa;

import java.util.Optional;
import org.springframework.data.jpa.repository.JpaRepository;
import org.springframework.transaction.annotation.Propagation;
import org.springframework.transaction.annotation.Transactional;

/** Spring Data makes it, behind a proxy of the JDK. */
public interface OrderRepository extends JpaRepository<PlacedOrder, Long> {
    Optional<PlacedOrder> findByName(String name);

    @Transactional(propagation = Propagation.REQUIRES_NEW)
    @Override
    long count();
}
