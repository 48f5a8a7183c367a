package io.idempotencykey.inmemory;

import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.port.StoredKey;
import java.time.Instant;

/**
 * Where a key stands in the listing that its state puts it in.
 *
 * @param listing which one
 * @param group whose keys stand together: a resumable key's scope, and nothing for the others
 * @param at from when on the key is due, or since when it is quarantined
 * @param id the key's
 */
record Place(Listing listing, String group, Instant at, KeyId id) implements Comparable<Place> {
    /** The lowest key in the order of scopes and values. */
    private static final KeyId FIRST = KeyId.of("!");

    enum Listing {
        RESUMABLE,
        EXPIRING,
        QUARANTINED
    }

    static Place of(StoredKey key) {
        KeyId id = key.id();
        return key.key().state().accept(new KeyState.Visitor<Place>() {
            @Override
            public Place open(KeyState.Open open) {
                return ofResumable(id, open.resumableFrom());
            }

            @Override
            public Place locked(KeyState.Locked locked) {
                return ofResumable(id, locked.leaseEnds());
            }

            @Override
            public Place failed(KeyState.Failed failed) {
                return new Place(Listing.EXPIRING, "", failed.expiresAt(), id);
            }

            @Override
            public Place finished(KeyState.Finished finished) {
                return new Place(Listing.EXPIRING, "", finished.expiresAt(), id);
            }

            @Override
            public Place quarantined(KeyState.Quarantined aside) {
                return ofQuarantined(id, aside.since());
            }
        });
    }

    static Place ofResumable(KeyId id, Instant at) {
        return new Place(Listing.RESUMABLE, id.scope(), at, id);
    }

    static Place ofQuarantined(KeyId id, Instant since) {
        return new Place(Listing.QUARANTINED, "", since, id);
    }

    /** Behind the resumable keys of the scope that are due before the instant, and before all others. */
    static Place ofResumable(String scope, Instant before) {
        return new Place(Listing.RESUMABLE, scope, before, FIRST);
    }

    /** The order within a listing: by group, then by instant, then by the key's scope and value. */
    @Override
    public int compareTo(Place other) {
        int order = group.compareTo(other.group);
        return order == 0 ? compareByAge(other) : order;
    }

    /** The order over all groups: by instant, then by the key's scope and value. */
    int compareByAge(Place other) {
        int order = at.compareTo(other.at);
        if (order == 0) {
            order = id.scope().compareTo(other.id.scope());
        }
        if (order == 0) {
            order = id.value().compareTo(other.id.value());
        }
        return order;
    }
}
