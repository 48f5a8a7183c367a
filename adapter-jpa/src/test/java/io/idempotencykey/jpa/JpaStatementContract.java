package io.idempotencykey.jpa;

import static io.idempotencykey.contract.Services.askingTheStore;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.KeyId;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.service.Claim;
import io.idempotencykey.service.Execution;
import io.idempotencykey.service.HeldKey;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import io.idempotencykey.service.StageOutcome;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.hibernate.dialect.MySQLDialect;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What a request costs, in statements that reach the database. */
abstract class JpaStatementContract {
    private static final String INSERT_KEY = "insert idempotency_key";
    private static final String UPDATE_KEY = "update idempotency_key";
    private static final String LOCK_KEY = "lock idempotency_key";
    private static final String SELECT_KEY = "select idempotency_key";
    private static final String INSERT_ROW = "insert contract_row";
    private static final RecoveryPoint PAID = RecoveryPoint.named("paid");
    private static final KeyId ID = KeyId.of("key");
    private static final Request REQUEST = TestApplication.REQUEST;
    private static final Request OTHER = Request.of("POST", "/carts", Map.of("a", 1));

    private final TestDatabase database;

    JpaStatementContract(TestDatabase database) {
        this.database = database;
    }

    private static Operation<EntityManager> twoStages(World world) {
        return world.keys
                .operation("complete-cart")
                .branch(RecoveryPoint.STARTED, stage -> {
                    stage.transaction().persist(new ContractRow("one", "1"));
                    return StageOutcome.advanceTo(PAID);
                })
                .branch(PAID, stage -> {
                    stage.transaction().persist(new ContractRow("two", "2"));
                    return StageOutcome.respond(TestApplication.RESPONSE);
                })
                .build();
    }

    /** On PostgreSQL a read goes along with the insert, and finds nothing; on MariaDB it isn't made. */
    @Test
    void aNewKeyWithTwoStagesIsOneInsertAndTwoUpdates() {
        with(world -> {
            world.keys.run(twoStages(world), ID, REQUEST);

            assertThat(world.source.rows())
                    .containsExactlyElementsOf(
                            insertsAndFindsAtOnce()
                                    ? List.of(INSERT_KEY, SELECT_KEY, INSERT_ROW, UPDATE_KEY, INSERT_ROW, UPDATE_KEY)
                                    : List.of(INSERT_KEY, INSERT_ROW, UPDATE_KEY, INSERT_ROW, UPDATE_KEY));
            assertThat(world.source.executed()).doesNotContain("rollback");
        });
    }

    private boolean insertsAndFindsAtOnce() {
        return database == TestDatabase.POSTGRESQL || database == TestDatabase.MARIADB;
    }

    @Test
    void aReplayThroughClaimIsAnInsertThatDoesNothingAndARead() {
        with(world -> {
            world.keys.run(twoStages(world), ID, REQUEST);
            world.source.forget();

            assertThat(anotherProcess(world).run(twoStages(world), ID, REQUEST).replayed())
                    .isTrue();

            assertThat(world.source.rows()).containsExactly(INSERT_KEY, SELECT_KEY);
        });
    }

    private static IdempotencyKeyService<EntityManager> anotherProcess(World world) {
        return askingTheStore(world.store);
    }

    @Test
    void aReplayOfAKeyThatThisProcessHasSeenFinishedIsOneRead() {
        with(settings(), world -> {
            world.keys.run(twoStages(world), ID, REQUEST);
            world.source.forget();

            assertThat(world.keys.run(twoStages(world), ID, REQUEST).replayed()).isTrue();

            assertThat(world.source.rows()).containsExactly(SELECT_KEY);
            assertThat(world.source.roundTrips()).isEqualTo(1);
        });
    }

    @Test
    void aReplayThroughRetrieveIsOneRead() {
        with(world -> {
            world.keys.run(twoStages(world), ID, REQUEST);
            world.source.forget();

            world.keys.retrieve(ID);

            assertThat(world.source.rows()).containsExactly(SELECT_KEY);
        });
    }

    @Test
    void theBacklogIsOneRead() {
        with(world -> {
            world.store.backlog(Instant.EPOCH);

            assertThat(world.source.rows()).containsExactly(SELECT_KEY);
        });
    }

    @Test
    void aRefusedDuplicateIsAnInsertThatDoesNothingAndARead() {
        with(world -> {
            world.keys.claim(ID, REQUEST);
            world.source.forget();

            assertThat(world.keys.claim(ID, REQUEST)).isInstanceOf(Claim.InFlight.class);
            assertThat(world.source.rows()).containsExactly(INSERT_KEY, SELECT_KEY);
            if (insertsAndFindsAtOnce()) {
                assertThat(world.source.roundTrips()).isEqualTo(1);
            }
            world.source.forget();

            assertThatExceptionOfType(IdempotencyException.Mismatch.class)
                    .isThrownBy(() -> world.keys.claim(ID, OTHER));
            assertThat(world.source.rows()).containsExactly(INSERT_KEY, SELECT_KEY);
        });
    }

    @Test
    void aResumptionIsOneUpdateMore() {
        with(world -> {
            world.keys.unlock(claim(world));
            world.source.forget();

            claim(world);

            assertThat(world.source.rows()).containsExactly(INSERT_KEY, SELECT_KEY, UPDATE_KEY);
        });
    }

    /**
     * If the data source comes with what the docs ask for, a stage sends only its own and the key's statement, and what
     * shows that the transaction is still the same: on MySQL and MariaDB a savepoint, on H2 a row.
     */
    @Test
    void aStageSendsNoSettingWhereTheDataSourceGivesThem() {
        with(settings(), world -> {
            HeldKey held = claim(world);
            world.source.forget();

            world.keys.workStage(held, stage -> {
                stage.transaction().persist(new ContractRow("one", "1"));
                return StageOutcome.advanceTo(PAID);
            });

            assertThat(world.source.rows()).containsExactly(INSERT_ROW, UPDATE_KEY);
            assertThat(world.source.executed()).endsWith("commit");
            assertThat(world.source.roundTrips())
                    .isEqualTo(
                            switch (database) {
                                case POSTGRESQL -> 2; // here and on MariaDB, the commit goes along with the fence
                                case MYSQL -> 5; // the savepoint, and its release
                                case MARIADB -> 3; // the savepoint
                                case H2 ->
                                    7; // the mark; the bound on the fence's wait for a row is read, set and restored
                            });
        });
    }

    /** On PostgreSQL the key is read and locked with the first statement, and inserted with the commit. */
    @ParameterizedTest
    @CsvSource({"10, 7", "1, 5"})
    void aRequestOfOneStageIsOneTransaction(int secondsForRows, int onMysql) {
        with(settings(secondsForRows), world -> {
            // Reads the clock, too.
            place(world, KeyId.of("earlier"));
            world.source.forget();

            place(world);

            assertThat(world.source.rows())
                    .containsExactlyElementsOf(
                            database == TestDatabase.POSTGRESQL
                                    ? List.of(SELECT_KEY, LOCK_KEY, INSERT_ROW, INSERT_KEY)
                                    : List.of(INSERT_KEY, INSERT_ROW, UPDATE_KEY));
            assertThat(world.source.executed()).doesNotContain("rollback").endsWith("commit");
            assertThat(world.source.roundTrips())
                    .isEqualTo(1
                            + switch (database) {
                                case POSTGRESQL -> 2;
                                case MYSQL -> onMysql; // the bound on the insert's wait is set and restored, or given
                                case MARIADB -> 3;
                                case H2 -> 10; // the mark; both bounds are read, set and restored
                            });
        });
    }

    @Test
    void aReplayOfARequestOfOneStageWritesNothing() {
        with(settings(), world -> {
            place(world);
            world.source.forget();

            World other = new World(world.source, world.store, anotherProcess(world));
            // Reads the clock, too.
            place(other, KeyId.of("earlier"));
            world.source.forget();
            assertThat(place(other).replayed()).isTrue();

            assertThat(world.source.rows())
                    .containsExactlyElementsOf(
                            database == TestDatabase.POSTGRESQL
                                    ? List.of(SELECT_KEY, LOCK_KEY)
                                    : List.of(INSERT_KEY, SELECT_KEY));
            if (database == TestDatabase.POSTGRESQL) {
                assertThat(world.source.roundTrips()).isEqualTo(2);
            }
        });
    }

    static Execution place(World world) {
        return place(world, ID);
    }

    private static Execution place(World world, KeyId id) {
        return world.keys.once("place-order", id, REQUEST, stage -> {
            stage.transaction().persist(new ContractRow(id.value(), "1"));
            return TestApplication.RESPONSE;
        });
    }

    /** What the docs ask the data source for. */
    private String settings() {
        return settings(10);
    }

    private String settings(int secondsForRows) {
        return switch (database) {
            case POSTGRESQL ->
                "&options=-c%20default_transaction_isolation=serializable"
                        + "%20-c%20idle_in_transaction_session_timeout=10s%20-c%20lock_timeout=" + secondsForRows
                        + "s";
            case MARIADB ->
                "&sessionVariables=tx_isolation='SERIALIZABLE',idle_transaction_timeout=10,innodb_lock_wait_timeout="
                        + secondsForRows;
            case MYSQL ->
                "&sessionVariables=transaction_isolation='SERIALIZABLE',wait_timeout=10,innodb_lock_wait_timeout="
                        + secondsForRows;
            case H2 -> ";INIT=set session characteristics as transaction isolation level serializable";
        };
    }

    @Test
    void mariadbMayBeUsedWithTheDialectOfMysql() {
        if (database != TestDatabase.MARIADB) {
            return;
        }
        Map<String, String> properties = Map.of("hibernate.dialect", MySQLDialect.class.getName());
        with(
                "",
                properties,
                world -> assertThat(world.keys
                                .run(twoStages(world), ID, REQUEST)
                                .response()
                                .status())
                        .isEqualTo(201));
    }

    private static HeldKey claim(World world) {
        return ((Claim.Claimed) world.keys.claim(ID, REQUEST)).key();
    }

    record World(RecordingDataSource source, JpaKeyStore store, IdempotencyKeyService<EntityManager> keys) {}

    private void with(Consumer<World> test) {
        with("", test);
    }

    final void with(String settings, Consumer<World> test) {
        with(settings, Map.of(), test);
    }

    private void with(String settings, Map<String, String> properties, Consumer<World> test) {
        try (HikariDataSource pool = TestDatabase.pool(database.create() + settings, 2)) {
            RecordingDataSource source = new RecordingDataSource(pool);
            try (EntityManagerFactory factory = TestDatabase.factory(source.recorded(), properties)) {
                JpaKeyStore store = new JpaKeyStore(factory);
                source.forget();
                test.accept(new World(source, store, askingTheStore(store)));
            }
        }
    }
}
