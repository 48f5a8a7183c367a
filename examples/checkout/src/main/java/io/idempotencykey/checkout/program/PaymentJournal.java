package io.idempotencykey.checkout.program;

import io.idempotencykey.checkout.http.Json;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The payment provider's charges, one JSON text per line of a file. A charge is on the disk before anybody learns of
 * it.
 *
 * <p>A process that dies while it writes leaves half a line at the end. That line is dropped, since nobody was told of
 * its charge.
 */
final class PaymentJournal implements AutoCloseable {
    private static final String FILE = "payments.journal";

    private final ReentrantLock lock = new ReentrantLock();
    private final Map<String, Charge> byKey = new LinkedHashMap<>();
    private final FileChannel file;

    /** One charge; {@code amount} is in cents. */
    record Charge(String id, String key, String cart, long amount) {}

    PaymentJournal(Path directory) throws IOException {
        Path path = directory.resolve(FILE);
        file = FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
        try {
            if (file.tryLock() == null) {
                throw new IOException(path + " is in use by another process");
            }
            byte[] bytes = readAll();
            int end = 0;
            for (int i = 0; i < bytes.length; i++) {
                if (bytes[i] == '\n') {
                    Charge charge = read(Arrays.copyOfRange(bytes, end, i), path);
                    byKey.put(charge.key(), charge);
                    end = i + 1;
                }
            }
            file.truncate(end);
            file.position(end);
        } catch (OverlappingFileLockException e) {
            close();
            throw new IOException(path + " is in use by this process", e);
        } catch (IOException e) {
            close();
            throw e;
        }
    }

    /** Reads through the channel, since closing another channel of the same file would release this process's lock. */
    private byte[] readAll() throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(Math.toIntExact(file.size()));
        while (bytes.hasRemaining() && file.read(bytes) >= 0) {
            // The next read goes on where this one stopped.
        }
        return bytes.array();
    }

    /** Makes a charge, or returns the one that was made with the key earlier. */
    Charge charge(String key, String cart, long amount) throws IOException {
        lock.lock();
        try {
            Charge known = byKey.get(key);
            if (known != null) {
                return known;
            }
            Charge charge = new Charge("ch_" + UUID.randomUUID(), key, cart, amount);
            append(charge);
            byKey.put(key, charge);
            return charge;
        } finally {
            lock.unlock();
        }
    }

    List<Charge> charges() {
        lock.lock();
        try {
            return List.copyOf(byKey.values());
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void close() {
        try {
            file.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void append(Charge charge) throws IOException {
        long end = file.position();
        Map<String, Object> members = new LinkedHashMap<>();
        members.put("id", charge.id());
        members.put("key", charge.key());
        members.put("cart", charge.cart());
        members.put("amount", charge.amount());
        ByteBuffer line = ByteBuffer.wrap((Json.write(members) + "\n").getBytes(StandardCharsets.UTF_8));
        try {
            while (line.hasRemaining()) {
                file.write(line);
            }
            file.force(false);
        } catch (IOException e) {
            // Otherwise the next line would follow half of this one.
            file.truncate(end);
            throw e;
        }
    }

    private static Charge read(byte[] line, Path path) throws IOException {
        try {
            if (Json.read(line) instanceof Map<?, ?> members
                    && members.get("id") instanceof String id
                    && members.get("key") instanceof String key
                    && members.get("cart") instanceof String cart
                    && members.get("amount") instanceof Number amount) {
                return new Charge(id, key, cart, amount.longValue());
            }
            throw new IOException(path + " has a line that isn't a charge");
        } catch (Json.Malformed e) {
            throw new IOException(path + " has a line that isn't JSON", e);
        }
    }
}
