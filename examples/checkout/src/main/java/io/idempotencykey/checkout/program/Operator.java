package io.idempotencykey.checkout.program;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.Response;
import io.idempotencykey.checkout.http.Json;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.OperatorActions;
import java.io.IOException;
import java.io.PrintStream;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.function.Function;

/**
 * Lets a person look at keys and act on those that don't come to their end, while the shop runs or not. It prints a
 * JSON text per key.
 */
final class Operator {
    private static final int PAGE = 1_000;

    /** The statuses whose responses have no body in HTTP. */
    private static final Set<Integer> WITHOUT_BODY = Set.of(204, 205, 304);

    private final PrintStream output;

    private Operator(PrintStream output) {
        this.output = output;
    }

    /** An operator's action on a store's keys. */
    @FunctionalInterface
    private interface Action {
        void run(IdempotencyKeyService<?> keys, OperatorActions actions);
    }

    /**
     * Runs {@code list}, {@code show}, {@code retry}, {@code finish} or {@code discard}, and prints the keys to the
     * output.
     *
     * @throws Options.Refused if the arguments are wrong; nothing is done
     * @throws IOException if the store can't be used
     * @throws IdempotencyException if there is no such key, or none as it was seen; nothing is changed
     */
    static void run(List<String> arguments, PrintStream output) throws IOException {
        if (arguments.isEmpty()) {
            throw new Options.Refused("keys needs an action");
        }
        String action = arguments.get(0);
        Options options =
                Options.parse(arguments.subList(1, arguments.size()), options(action), action.equals("list") ? 0 : 1);
        try {
            Action checked = new Operator(output).action(action, options);
            try (Store<?> store = Store.join(options)) {
                IdempotencyKeyService<?> keys = new IdempotencyKeyService<>(store.keys());
                checked.run(keys, new OperatorActions(keys));
            }
        } catch (IdempotencyException.InvalidKey | IllegalArgumentException e) {
            throw new Options.Refused(String.valueOf(e.getMessage()));
        }
    }

    private static Set<String> options(String action) {
        Set<String> options = new HashSet<>(Set.of("store", "url", "data"));
        switch (action) {
            case "list" -> options.add("state");
            case "show" -> options.add("scope");
            case "retry", "discard" -> options.addAll(Set.of("scope", "by", "creation", "updated"));
            case "finish" ->
                options.addAll(Set.of("scope", "by", "creation", "updated", "status", "content-type", "body"));
            default ->
                throw new Options.Refused("keys has no '" + action + "'; allowed: list, show, retry, finish, discard");
        }
        return options;
    }

    private Action action(String action, Options options) {
        if (action.equals("list")) {
            String state = options.text("state", "quarantined");
            return switch (state) {
                case "quarantined" -> (keys, actions) -> listQuarantined(actions);
                case "unfinished" -> (keys, actions) -> listUnfinished(actions);
                default -> throw new Options.Refused("--state is '" + state + "'; allowed: quarantined, unfinished");
            };
        }
        KeyId id = KeyId.of(
                options.text("scope", ""),
                options.word().orElseThrow(() -> new Options.Refused("keys " + action + " needs a key's value")));
        if (action.equals("show")) {
            return (keys, actions) -> print(keys.retrieve(id));
        }
        String by = options.text("by", System.getProperty("user.name"));
        Function<OperatorActions, IdempotencyKey> seen = seen(action, id, options);
        return switch (action) {
            case "retry" -> (keys, actions) -> print(actions.retry(seen.apply(actions), by));
            case "discard" -> (keys, actions) -> print(actions.discard(seen.apply(actions), by));
            default -> {
                int status = options.number("status", 200, 200, 599);
                String body = options.value("body").orElseThrow(() -> new Options.Refused("keys finish needs --body"));
                if (WITHOUT_BODY.contains(status) && !body.isEmpty()) {
                    throw new Options.Refused("--status is '" + status + "', which has no body; allowed: --body ''");
                }
                Response response = Response.of(status, options.text("content-type", Json.CONTENT_TYPE), body);
                yield (keys, actions) -> print(actions.finish(seen.apply(actions), response, by));
            }
        };
    }

    /** The key as it was printed: what was decided on one request isn't done to another one that has its key now. */
    private static Function<OperatorActions, IdempotencyKey> seen(String action, KeyId id, Options options) {
        String needs = "keys " + action + " needs --creation and --updated, as the key was printed with them";
        try {
            UUID creation = UUID.fromString(options.value("creation").orElseThrow(() -> new Options.Refused(needs)));
            Instant updated = Instant.parse(options.value("updated").orElseThrow(() -> new Options.Refused(needs)));
            return actions -> actions.retrieveUnchanged(id, creation, updated);
        } catch (IllegalArgumentException | DateTimeParseException e) {
            throw new Options.Refused(needs);
        }
    }

    private void listQuarantined(OperatorActions actions) {
        List<IdempotencyKey> page = actions.listQuarantined(null, PAGE);
        while (!page.isEmpty()) {
            page.forEach(this::print);
            page = actions.listQuarantined(page.get(page.size() - 1).id(), PAGE);
        }
    }

    private void listUnfinished(OperatorActions actions) {
        List<IdempotencyKey> page = actions.listUnfinished(null, PAGE);
        while (!page.isEmpty()) {
            page.forEach(this::print);
            page = actions.listUnfinished(page.get(page.size() - 1), PAGE);
        }
    }

    /** Prints what anyone may see of a key and what only the operator may; the request's parameters aren't shown. */
    private void print(IdempotencyKey key) {
        Map<String, Object> members = Inspection.members(key);
        members.put("creationId", key.creationId().toString());
        members.put("request", key.request().method() + " " + key.request().path());
        members.put("state", key.state().name());
        members.put("reason", key.state() instanceof KeyState.Quarantined quarantined ? quarantined.reason() : "");
        members.put("lastError", key.lastError());
        output.println(Json.write(members));
    }
}
