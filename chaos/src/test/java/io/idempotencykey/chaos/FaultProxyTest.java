package io.idempotencykey.chaos;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.util.Random;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Each fault of a connection is one, on both of its sides. */
class FaultProxyTest {
    private final BlockingQueue<String> heard = new LinkedBlockingQueue<>();
    private ServerSocket server;
    private FaultProxy proxy;
    private Socket client;

    @BeforeEach
    void connect() throws IOException {
        server = new ServerSocket(0, 10, InetAddress.getLoopbackAddress());
        Thread answering = new Thread(this::answer);
        answering.setDaemon(true);
        answering.start();
        proxy = new FaultProxy(server.getLocalPort());
        client = new Socket(InetAddress.getLoopbackAddress(), proxy.port());
        client.setSoTimeout(10_000);
    }

    @AfterEach
    void close() throws IOException {
        client.close();
        proxy.close();
        server.close();
    }

    /** Hears what one connection says, and answers each packet by one letter. */
    private void answer() {
        try (Socket connection = server.accept()) {
            byte[] buffer = new byte[100];
            for (int n = connection.getInputStream().read(buffer);
                    n >= 0;
                    n = connection.getInputStream().read(buffer)) {
                String said = new String(buffer, 0, n, StandardCharsets.US_ASCII);
                heard.add(said);
                if (said.endsWith("the server ends")) {
                    break;
                }
                connection.getOutputStream().write('y');
            }
        } catch (IOException e) {
            // The connection is cut.
        }
        heard.add("the end");
    }

    private void say(String text) throws IOException {
        client.getOutputStream().write(text.getBytes(StandardCharsets.US_ASCII));
    }

    private String nextHeard() throws InterruptedException {
        return String.valueOf(heard.poll(10, TimeUnit.SECONDS));
    }

    private void exchange() throws IOException, InterruptedException {
        say("select 1");
        assertThat(nextHeard()).isEqualTo("select 1");
        assertThat(client.getInputStream().read()).isEqualTo('y');
    }

    @Test
    void itPassesOnWhatIsSaid() throws Exception {
        exchange();
        exchange();
    }

    @Test
    void aCutConnectionEndsOnBothSides() throws Exception {
        exchange();
        Random random = new Random(1);
        int cut = 0;
        while (cut == 0) {
            cut = proxy.cutHalf(random);
        }

        assertThat(cut).isEqualTo(1);
        assertThat(client.getInputStream().read()).isEqualTo(-1);
        assertThat(nextHeard()).isEqualTo("the end");
    }

    @Test
    void aConnectionThatSwallowsStaysOpen() throws Exception {
        exchange();
        proxy.swallowAll();
        client.setSoTimeout(200);
        say("select 2");

        assertThatExceptionOfType(SocketTimeoutException.class)
                .isThrownBy(() -> client.getInputStream().read());
        assertThat(heard).isEmpty();
    }

    @Test
    void aLostCommitIsMadeAndNotAnswered() throws Exception {
        proxy.loseNext(1);
        say("set read committed");
        assertThat(nextHeard()).isEqualTo("set read committed");
        assertThat(client.getInputStream().read()).isEqualTo('y');
        say("COMMIT");

        assertThat(nextHeard()).isEqualTo("COMMIT");
        assertThat(client.getInputStream().read()).isEqualTo(-1);
        assertThat(proxy.lost()).isEqualTo(1);
    }

    @Test
    void aLateCommitArrivesWhenItsConnectionIsGone() throws Exception {
        proxy.delayNext(1);
        say("commitTransaction");

        assertThat(client.getInputStream().read()).isEqualTo(-1);
        assertThat(nextHeard()).isEqualTo("commitTransaction");
        assertThat(nextHeard()).isEqualTo("the end");
        assertThat(proxy.late()).isEqualTo(1);
    }

    @Test
    void aLateCommitThatTheServerDoesNotAnswerIsNotCounted() throws Exception {
        proxy.delayNext(1);
        say("commit; the server ends");

        assertThat(client.getInputStream().read()).isEqualTo(-1);
        assertThat(nextHeard()).isEqualTo("commit; the server ends");
        assertThat(nextHeard()).isEqualTo("the end");
        assertThat(proxy.late()).isZero();
    }
}
