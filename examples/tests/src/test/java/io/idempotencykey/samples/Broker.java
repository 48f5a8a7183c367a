package io.idempotencykey.samples;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import org.apache.activemq.artemis.api.core.ActiveMQDisconnectedException;
import org.apache.activemq.artemis.api.core.Interceptor;
import org.apache.activemq.artemis.api.core.QueueConfiguration;
import org.apache.activemq.artemis.api.core.RoutingType;
import org.apache.activemq.artemis.core.config.Configuration;
import org.apache.activemq.artemis.core.config.CoreAddressConfiguration;
import org.apache.activemq.artemis.core.config.impl.ConfigurationImpl;
import org.apache.activemq.artemis.core.protocol.core.impl.PacketImpl;
import org.apache.activemq.artemis.core.server.Queue;
import org.apache.activemq.artemis.core.server.embedded.EmbeddedActiveMQ;

/** A message broker on the loopback interface, whose acknowledgements can get lost. */
final class Broker implements AutoCloseable {
    static final String QUEUE = "payments";

    private final EmbeddedActiveMQ broker = new EmbeddedActiveMQ();
    private final AtomicInteger deliveries = new AtomicInteger();
    private final String url;
    private volatile BooleanSupplier loses = () -> false;

    Broker(Path directory) throws Exception {
        this.url = "tcp://127.0.0.1:" + freePort();
        Configuration configuration = new ConfigurationImpl()
                .setPersistenceEnabled(false)
                .setSecurityEnabled(false)
                .setJMXManagementEnabled(false)
                .addAcceptorConfiguration("loopback", url)
                .addAddressConfiguration(new CoreAddressConfiguration()
                        .setName(QUEUE)
                        .addRoutingType(RoutingType.ANYCAST)
                        .addQueueConfiguration(QueueConfiguration.of(QUEUE).setRoutingType(RoutingType.ANYCAST)));
        configuration.setBrokerInstance(directory.toFile());
        broker.setConfiguration(configuration);
        broker.start();
        Interceptor incoming = (packet, connection) -> {
            if (packet.getType() == PacketImpl.SESS_COMMIT && loses.getAsBoolean()) {
                loses = () -> false;
                connection.fail(new ActiveMQDisconnectedException("an acknowledgement gets lost"));
                return false;
            }
            return true;
        };
        Interceptor outgoing = (packet, connection) -> {
            if (packet.getType() == PacketImpl.SESS_RECEIVE_MSG) {
                deliveries.incrementAndGet();
            }
            return true;
        };
        broker.getActiveMQServer().getRemotingService().addIncomingInterceptor(incoming);
        broker.getActiveMQServer().getRemotingService().addOutgoingInterceptor(outgoing);
    }

    private static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        }
    }

    /** Properties by which a sample uses this broker. */
    String[] properties() {
        return new String[] {"spring.artemis.mode=native", "spring.artemis.broker-url=" + url};
    }

    /** Loses the first acknowledgement for which the condition holds, together with its connection. */
    void loseAcknowledgement(BooleanSupplier condition) {
        loses = condition;
    }

    /** How often messages went to a consumer. */
    int deliveries() {
        return deliveries.get();
    }

    /** Waits until so many messages were sent, and all are acknowledged. */
    void awaitAcknowledged(int messages) throws Exception {
        Queue queue = broker.getActiveMQServer().locateQueue(QUEUE);
        Patience.await(
                "all messages are acknowledged",
                () -> queue.getMessagesAdded() == messages && queue.getMessagesAcknowledged() == messages);
    }

    @Override
    public void close() {
        try {
            broker.stop();
        } catch (Exception e) {
            throw new IllegalStateException("the broker doesn't stop", e);
        }
    }
}
