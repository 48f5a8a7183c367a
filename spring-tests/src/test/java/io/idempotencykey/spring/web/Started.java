package io.idempotencykey.spring.web;

import java.util.ArrayList;
import java.util.List;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.context.ConfigurableApplicationContext;

/** An application that runs on a free port, without MongoDB. */
record Started(ConfigurableApplicationContext context, Client client) implements AutoCloseable {
    static Started of(Class<?> application, String... properties) {
        return of(List.of(application), properties);
    }

    static Started of(List<Class<?>> sources, String... properties) {
        List<String> arguments = new ArrayList<>(
                List.of("--server.port=0", "--spring.autoconfigure.exclude=" + String.join(",", Applications.MONGO)));
        for (String property : properties) {
            arguments.add("--" + property);
        }
        ConfigurableApplicationContext context =
                new SpringApplicationBuilder(sources.toArray(Class<?>[]::new)).run(arguments.toArray(String[]::new));
        String port = context.getEnvironment().getRequiredProperty("local.server.port");
        return new Started(context, new Client(Integer.parseInt(port)));
    }

    <B> B bean(Class<B> type) {
        return context.getBean(type);
    }

    @Override
    public void close() {
        context.close();
    }
}
