package io.idempotencykey.checkout.program;

import io.idempotencykey.cli.KeysCommand;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Set;

/** The command line: {@code demo}, {@code serve}, {@code payments} and {@code keys}. */
final class Main {
    private static final String USAGE = """
            usage: run demo     [--store jpa|inmemory|mongo] [--url U] [--data DIR] [--payments URL]
                   run serve    [--port 8080|0] [--store jpa|inmemory|mongo] [--url U] [--data DIR] [--payments URL]
                                [--lease 30s] [--ttl 24h] [--attempts 100] [--stage-delay [STAGE:]0ms]
                                [--fail-at STAGE:N] [--connections 20] [--console 0]
                   run payments [--port 0] [--data DIR]
                   run keys     list|show|retry|finish|discard|stats --data DIR|--url U …; run keys --help says more
            U is jdbc:postgresql://…, jdbc:mysql://… or jdbc:mariadb://…;
            with --store mongo, it is mongodb://HOST:PORT/DATABASE?replicaSet=NAME
            """;

    private Main() {}

    public static void main(String[] arguments) throws InterruptedException {
        try {
            run(List.of(arguments));
        } catch (Options.Refused e) {
            System.err.println("checkout: " + e.getMessage());
            System.err.print(USAGE);
            System.exit(2);
        } catch (IOException e) {
            System.err.println("checkout: " + e.getMessage());
            System.exit(1);
        }
    }

    /** Runs a command. A server's command returns when the server is stopped; the others end the process. */
    static void run(List<String> arguments) throws IOException, InterruptedException {
        if (arguments.isEmpty()) {
            throw new Options.Refused("no command");
        }
        List<String> options = arguments.subList(1, arguments.size());
        switch (arguments.get(0)) {
            case "demo" -> System.exit(Demo.run(Options.parse(options, Demo.OPTIONS)));
            case "keys" -> System.exit(keys(options, writer(System.out), writer(System.err)));
            case "serve" -> serve(Options.parse(options, Application.OPTIONS));
            case "payments" -> payments(Options.parse(options, Set.of("port", "data")));
            default -> throw new Options.Refused("unknown command '" + arguments.get(0) + "'");
        }
    }

    /** Runs the library's own command line on the shop's keys, which {@code --data DIR} names as well. */
    static int keys(List<String> arguments, PrintWriter output, PrintWriter errors) throws IOException {
        List<String> all = new ArrayList<>();
        boolean onlyValues = false;
        for (Iterator<String> each = arguments.iterator(); each.hasNext(); ) {
            String argument = each.next();
            onlyValues |= argument.equals("--");
            if (onlyValues) {
                all.add(argument);
            } else if (argument.startsWith("--data=") || (argument.equals("--data") && each.hasNext())) {
                String data = argument.equals("--data") ? each.next() : argument.substring("--data=".length());
                all.add("--url=" + new FileDatabase(Options.directory("data", data)).joiningUrl());
            } else {
                all.add(argument);
            }
        }
        return KeysCommand.run(output, errors, all.toArray(String[]::new));
    }

    private static PrintWriter writer(OutputStream stream) {
        return new PrintWriter(stream, true, StandardCharsets.UTF_8);
    }

    private static void serve(Options options) throws IOException, InterruptedException {
        Application application = new Application(options, (point, key) -> {});
        stopOnSignal(application::close);
        application.runInBackground();
        application.console().ifPresent(console -> System.out.println(console.invitation()));
        System.out.println("listening on " + application.url());
        application.join();
    }

    private static void payments(Options options) throws IOException, InterruptedException {
        int port = options.port(0);
        DataDirectory data = DataDirectory.of(options);
        PaymentServer provider = new PaymentServer(port, data.path());
        stopOnSignal(() -> {
            provider.close();
            data.close();
        });
        System.out.println("listening on " + provider.url());
        provider.join();
    }

    /** Ends the process with status 0 when it is asked to stop, since that is no failure. */
    private static void stopOnSignal(Runnable stop) {
        Runtime.getRuntime()
                .addShutdownHook(new Thread(
                        () -> {
                            stop.run();
                            Runtime.getRuntime().halt(0);
                        },
                        "stop"));
    }
}
