package io.idempotencykey.benchmarks;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** Where keys are kept; in the order of measurement, whose last one has all the time that is left. */
enum Place {
    ADAPTER_INMEMORY {
        @Override
        House open() {
            return new MemoryHouse();
        }
    },
    ADAPTER_JPA_MYSQL {
        @Override
        House open() throws Exception {
            return new InnodbHouse(InnodbHouse.Product.MYSQL);
        }
    },
    ADAPTER_JPA_MARIADB {
        @Override
        House open() throws Exception {
            return new InnodbHouse(InnodbHouse.Product.MARIADB);
        }
    },
    ADAPTER_MONGO {
        @Override
        House open() throws Exception {
            return new MongoHouse();
        }
    },
    ADAPTER_JPA {
        @Override
        House open() throws Exception {
            return new JpaHouse();
        }
    };

    /** Starts what is needed. */
    abstract House open() throws Exception;

    List<Integer> threads() {
        return this == ADAPTER_INMEMORY ? List.of(1, 2, 8, 32) : List.of(1, 8, 32);
    }

    String shown() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    static Optional<Place> named(String name) {
        return Arrays.stream(values())
                .filter(place -> place.shown().equals(name))
                .findFirst();
    }
}
