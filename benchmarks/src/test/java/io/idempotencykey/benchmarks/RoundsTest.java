package io.idempotencykey.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RoundsTest {
    private static final Rounds TWO = new Rounds(2, Duration.ofMillis(1), 2, Duration.ofMillis(1));

    @Test
    void sidesTakeTurnsInAllOrders() throws Exception {
        List<String> turns = new ArrayList<>();
        List<Contestant> sides = Stream.of("a", "b", "c")
                .map(name -> new Contestant(name, 0, 1, number -> {}, () -> turns.add(name)))
                .toList();

        List<SideTurns> measured =
                new Rounds(6, Duration.ofMillis(1), 2, Duration.ofMillis(1)).measure(sides, () -> 0, all -> true);

        assertThat(String.join("", turns)).isEqualTo("abcabc" + "abc" + "cba" + "bca" + "acb" + "cab" + "bac");
        assertThat(measured).extracting(side -> side.turns().size()).containsExactly(6, 6, 6);
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 3, 4, 5, 6})
    void eachSideComesTwiceAfterEachOtherOneAndFirstInTwiceAsManyRounds(int count) throws Exception {
        List<Integer> turns = new ArrayList<>();
        List<Contestant> sides = IntStream.range(0, count)
                .mapToObj(side -> new Contestant("side", 0, 1, number -> {}, () -> turns.add(side)))
                .toList();

        List<SideTurns> unused =
                new Rounds(2 * count, Duration.ofNanos(1), 2, Duration.ofNanos(1)).measure(sides, () -> 0, all -> true);

        Map<String, Integer> pairs = new TreeMap<>();
        // After those of the warm-up.
        for (int i = 2 * count; i < turns.size(); i++) {
            String before = i % count == 0 ? "nothing" : turns.get(i - 1).toString();
            pairs.merge(before + ", " + turns.get(i), 1, Integer::sum);
        }
        assertThat(pairs)
                .hasSize(count * count)
                .allSatisfy((pair, times) -> assertThat(times).isEqualTo(2));
    }

    @Test
    void roundsGoOnWhereTheyDontDoAndAllCount() throws Exception {
        Contestant side = new Contestant("side", 0, 1, number -> {});

        List<SideTurns> twice = TWO.measure(
                List.of(side), () -> 0, measured -> measured.get(0).turns().size() == 4);
        List<SideTurns> never = TWO.measure(List.of(side), () -> 0, measured -> false);

        assertThat(twice.get(0).turns()).hasSize(4);
        assertThat(never.get(0).turns()).hasSize(8);
    }

    @Test
    void noNumberIsUsedTwice() throws Exception {
        Set<Long> numbers = ConcurrentHashMap.newKeySet();

        List<SideTurns> measured = TWO.measure(
                List.of(new Contestant(
                        "side", 0, 3, number -> assertThat(numbers.add(number)).isTrue())),
                () -> 0,
                all -> true);

        assertThat(measured.get(0).median(Turn::rate)).isPositive();
    }

    @Test
    void aRequestsFailureEndsTheRounds() {
        Contestant failing = new Contestant("side", 0, 1, number -> {
            throw new IllegalStateException("no row");
        });

        assertThatThrownBy(() -> TWO.measure(List.of(failing), () -> 0, all -> true))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("no row");
    }

    @Test
    void whatIsAnsweredBesideATurnIsTold() throws Exception {
        Contestant asked = new Contestant("asked", 0, 1, number -> {}, () -> {}, () -> () -> 1_000);
        Contestant alone = new Contestant("alone", 0, 1, number -> {});

        List<SideTurns> sides = TWO.measure(List.of(asked, alone), () -> 0, all -> true);

        assertThat(sides.get(0).turns()).allMatch(turn -> turn.askers() > 0);
        assertThat(sides.get(1).turns()).allMatch(turn -> turn.askers() == 0);
    }
}
