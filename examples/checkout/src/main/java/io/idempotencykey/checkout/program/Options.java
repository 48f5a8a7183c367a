package io.idempotencykey.checkout.program;

import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A command's options, {@code --name value} or {@code --name=value}. */
final class Options {
    private static final Pattern DURATION = Pattern.compile("([0-9]{1,9})(ms|s|m|h|d)");

    private final Map<String, String> values;

    private Options(Map<String, String> values) {
        this.values = values;
    }

    /** The command line is wrong. */
    static final class Refused extends RuntimeException {
        private static final long serialVersionUID = 1L;

        Refused(String message) {
            super(message);
        }
    }

    static Options parse(List<String> arguments, Set<String> known) {
        Map<String, String> values = new HashMap<>();
        for (int i = 0; i < arguments.size(); i++) {
            String argument = arguments.get(i);
            int equals = argument.indexOf('=');
            String name = equals < 0 ? argument : argument.substring(0, equals);
            if (!name.startsWith("--") || !known.contains(name.substring(2))) {
                throw new Refused("unknown option '" + name + "'");
            }
            if (equals < 0 && i + 1 == arguments.size()) {
                throw new Refused(name + " needs a value");
            }
            String value = equals < 0 ? arguments.get(++i) : argument.substring(equals + 1);
            if (values.put(name.substring(2), value) != null) {
                throw new Refused(name + " is given twice");
            }
        }
        return new Options(values);
    }

    String text(String name, String otherwise) {
        return values.getOrDefault(name, otherwise);
    }

    Optional<String> value(String name) {
        return Optional.ofNullable(values.get(name));
    }

    int port(int otherwise) {
        return number("port", otherwise, 0, 65_535);
    }

    int number(String name, int otherwise, int least, int most) {
        String text = text(name, Integer.toString(otherwise));
        if (!text.matches("[0-9]{1,9}") || Integer.parseInt(text) < least || Integer.parseInt(text) > most) {
            throw new Refused("--" + name + " is '" + text + "'; allowed: " + least + " to " + most);
        }
        return Integer.parseInt(text);
    }

    /** Reads an option's duration. Who uses it checks its bounds. */
    Duration duration(String name, String otherwise) {
        return duration(name, text(name, otherwise), Duration.ofSeconds(Long.MAX_VALUE));
    }

    static Duration duration(String name, String text, Duration most) {
        Matcher matcher = DURATION.matcher(text);
        if (!matcher.matches()) {
            throw new Refused("--" + name + " is '" + text + "'; allowed: a whole number and ms, s, m, h or d");
        }
        long amount = Long.parseLong(matcher.group(1));
        Duration duration = switch (matcher.group(2)) {
            case "ms" -> Duration.ofMillis(amount);
            case "s" -> Duration.ofSeconds(amount);
            case "m" -> Duration.ofMinutes(amount);
            case "h" -> Duration.ofHours(amount);
            default -> Duration.ofDays(amount);
        };
        if (duration.compareTo(most) > 0) {
            throw new Refused("--" + name + " is '" + text + "'; allowed: at most " + most.toHours() + "h");
        }
        return duration;
    }

    Optional<URI> url(String name) {
        String text = values.get(name);
        if (text == null) {
            return Optional.empty();
        }
        try {
            URI url = URI.create(text);
            if (url.getHost() != null && ("http".equals(url.getScheme()) || "https".equals(url.getScheme()))) {
                return Optional.of(url);
            }
        } catch (IllegalArgumentException e) {
            // The exception below says so.
        }
        throw new Refused("--" + name + " is '" + text + "'; allowed: an http URL");
    }

    Optional<Path> directory(String name) {
        return value(name).map(path -> directory(name, path));
    }

    static Path directory(String name, String path) {
        if (path.isBlank()) {
            throw new Refused("--" + name + " is '" + path + "'; allowed: a folder's path");
        }
        return Path.of(path);
    }
}
