package io.idempotencykey.compatibility;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.BiConsumer;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.tools.ToolProvider;
import org.jspecify.annotations.Nullable;

/** Version 0.1, whose classes nobody else sees, and an application of it. */
final class FirstVersion {
    private static final List<String> JARS = List.of("core.jar", "adapter-jpa.jar", "adapter-mongo.jar");

    /** What the application writes in a stage: the stage's handle, and a text. */
    interface Effect extends BiConsumer<Object, String> {}

    /** The application: by {@code apply} it runs a request, by {@code accept} it leaves a key in a state. */
    record Server(BiFunction<String, String, String> requests, Consumer<String> keys) {}

    private final ClassLoader classes;

    /** Compiles the application in a folder. */
    FirstVersion(Path folder) throws IOException {
        List<Path> jars = new ArrayList<>();
        for (String jar : JARS) {
            jars.add(copy(jar, folder));
        }
        String classPath = Stream.concat(
                        jars.stream().map(Path::toString), Stream.of(System.getProperty("java.class.path")))
                .collect(Collectors.joining(System.getProperty("path.separator")));
        int code = ToolProvider.getSystemJavaCompiler()
                .run(
                        null,
                        null,
                        null,
                        "-proc:none",
                        "-nowarn",
                        "-cp",
                        classPath,
                        "-d",
                        folder.toString(),
                        copy("Server.java", folder).toString());
        if (code != 0) {
            throw new IllegalStateException("the application of version 0.1 can't be compiled");
        }
        List<URL> urls = new ArrayList<>(List.of(folder.toUri().toURL()));
        for (Path jar : jars) {
            urls.add(jar.toUri().toURL());
        }
        classes = new OwnFirst(urls.toArray(URL[]::new));
    }

    private static Path copy(String name, Path folder) throws IOException {
        try (InputStream file = Objects.requireNonNull(FirstVersion.class.getResourceAsStream("v01/" + name), name)) {
            Path copy = folder.resolve(name);
            Files.copy(file, copy);
            return copy;
        }
    }

    /** Has the library's classes from version 0.1, and all others from where this class is. */
    private static final class OwnFirst extends URLClassLoader {
        OwnFirst(URL[] urls) {
            super(urls, FirstVersion.class.getClassLoader());
        }

        @Override
        protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
            if (!name.startsWith("io.idempotencykey.")) {
                return super.loadClass(name, resolve);
            }
            synchronized (getClassLoadingLock(name)) {
                Class<?> loaded = findLoadedClass(name);
                return loaded == null ? findClass(name) : loaded;
            }
        }

        @Override
        public URL getResource(String name) {
            return name.startsWith("io/idempotencykey/") ? findResource(name) : super.getResource(name);
        }
    }

    /** The entity that an application of version 0.1 had to map. */
    Class<?> entity() {
        return load("io.idempotencykey.jpa.IdempotencyKeyEntity");
    }

    /** The script that made its table. */
    String schema(String file) {
        return text(classes.getResourceAsStream("io/idempotencykey/jpa/schema/" + file), file);
    }

    /** What it stored, as it is kept beside the tests. */
    static String stored(String file) {
        return text(FirstVersion.class.getResourceAsStream("v01/" + file), file);
    }

    static String text(@Nullable InputStream source, String name) {
        try (InputStream text = Objects.requireNonNull(source, name)) {
            return new String(text.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Starts the application on a store. */
    @SuppressWarnings("unchecked")
    Server server(String method, Class<?>[] types, Object... arguments) {
        try {
            Object server = load("v01.Server").getMethod(method, types).invoke(null, arguments);
            return new Server((BiFunction<String, String, String>) server, (Consumer<String>) server);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }

    private Class<?> load(String name) {
        try {
            return classes.loadClass(name);
        } catch (ClassNotFoundException e) {
            throw new IllegalStateException(e);
        }
    }
}
