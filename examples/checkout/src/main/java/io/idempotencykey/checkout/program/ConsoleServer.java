package io.idempotencykey.checkout.program;

import io.idempotencykey.console.ConsoleServlet;
import io.idempotencykey.console.KeyHistory;
import io.idempotencykey.service.IdempotencyKeyService;
import java.io.IOException;
import java.net.URI;
import java.util.UUID;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.ee10.servlet.security.ConstraintMapping;
import org.eclipse.jetty.ee10.servlet.security.ConstraintSecurityHandler;
import org.eclipse.jetty.http.HttpStatus;
import org.eclipse.jetty.security.AuthenticationState;
import org.eclipse.jetty.security.Constraint;
import org.eclipse.jetty.security.HashLoginService;
import org.eclipse.jetty.security.ServerAuthException;
import org.eclipse.jetty.security.UserStore;
import org.eclipse.jetty.security.authentication.BasicAuthenticator;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.util.Callback;
import org.eclipse.jetty.util.security.Credential;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The operators' console, on a port of its own that the shop's clients don't reach. It has one user, whose password is
 * made anew at each start.
 */
final class ConsoleServer implements AutoCloseable {
    private static final String OPERATOR = "operator";
    private static final Logger LOG = LoggerFactory.getLogger(ConsoleServer.class);

    private final Server server = new Server();
    private final ServerConnector connector = new ServerConnector(server);
    private final String password = UUID.randomUUID().toString();

    ConsoleServer(int port, IdempotencyKeyService<?> keys, KeyHistory history) throws IOException {
        connector.setHost("127.0.0.1");
        connector.setPort(port);
        server.addConnector(connector);
        ServletContextHandler context = new ServletContextHandler("/");
        context.setSecurityHandler(authentication());
        context.addServlet(
                new ServletHolder(ConsoleServlet.builder(keys)
                        .mayAct(request -> request.isUserInRole(OPERATOR))
                        .maySeeValues(request -> request.isUserInRole(OPERATOR))
                        .history(history)
                        .build()),
                "/keys/*");
        server.setHandler(context);
        try {
            server.start();
        } catch (Exception e) {
            close();
            throw e instanceof IOException known ? known : new IOException("the console can't be started: " + e, e);
        }
    }

    private ConstraintSecurityHandler authentication() {
        UserStore users = new UserStore();
        users.addUser(OPERATOR, Credential.getCredential(password), new String[] {OPERATOR});
        HashLoginService login = new HashLoginService("console");
        login.setUserStore(users);
        ConstraintMapping everything = new ConstraintMapping();
        everything.setPathSpec("/*");
        everything.setConstraint(Constraint.from(OPERATOR));
        ConstraintSecurityHandler authentication = new ConstraintSecurityHandler();
        authentication.setAuthenticator(new BasicAuthenticator() {
            @Override
            public AuthenticationState validateRequest(Request request, Response response, Callback callback)
                    throws ServerAuthException {
                try {
                    return super.validateRequest(request, response, callback);
                } catch (IllegalArgumentException e) {
                    // What isn't Base64 would be an error of the server's.
                    Response.writeError(request, response, callback, HttpStatus.BAD_REQUEST_400);
                    return AuthenticationState.SEND_FAILURE;
                }
            }
        });
        authentication.setLoginService(login);
        authentication.addConstraintMapping(everything);
        return authentication;
    }

    URI url() {
        return URI.create("http://127.0.0.1:" + connector.getLocalPort() + "/keys/");
    }

    /** What a person needs to sign in. */
    String invitation() {
        return "console at " + url() + " for user " + OPERATOR + " with password " + password;
    }

    @Override
    public void close() {
        try {
            server.stop();
        } catch (Exception e) {
            LOG.warn("the console was not stopped cleanly", e);
        }
    }
}
