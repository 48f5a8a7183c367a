package io.idempotencykey.benchmarks;

import io.idempotencykey.Fingerprint;
import io.idempotencykey.KeyId;
import io.idempotencykey.Request;
import io.idempotencykey.inmemory.InMemoryKeyStore;
import java.time.InstantSource;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/** Time and allocation of single operations, on one thread; {@code benchmarks/run jmh} measures them. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(2)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@State(Scope.Benchmark)
public class SingleOperations {
    private static final String HEADER = "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"";
    private static final String FINISHED = "finished";

    private Request request = Library.request();
    private Library<Map<String, String>> library = library();

    /** A new store for each iteration, since none has room for all keys of a run. */
    @Setup(Level.Iteration)
    public void renew() {
        request = Library.request();
        library = library();
        library.stages(FINISHED);
    }

    private static Library<Map<String, String>> library() {
        Map<String, String> bookings = new ConcurrentHashMap<>();
        return new Library<>(
                new InMemoryKeyStore<>(
                        new MemoryHouse.Unguarded(bookings), MemoryHouse.MOST_KEYS, InstantSource.system()),
                Map::put);
    }

    /** A claim, two stages and the response. */
    @Benchmark
    public void stagesInMemory() {
        library.stages(Example.newKey());
    }

    /** A claim of a finished key whose answer the service knows. */
    @Benchmark
    public void replayInMemory() {
        library.replay(FINISHED);
    }

    @Benchmark
    public Fingerprint fingerprint() {
        return Fingerprint.of(Example.OPERATION, request);
    }

    @Benchmark
    public KeyId keyFromHeader() {
        return KeyId.fromHeader(Example.SCOPE, HEADER);
    }

    /** Parameters, checked, normalized, and written as JSON. */
    @Benchmark
    public String parametersAsJson() {
        return Request.of("POST", Example.PATH, Example.PARAMETERS).parametersJson();
    }
}
