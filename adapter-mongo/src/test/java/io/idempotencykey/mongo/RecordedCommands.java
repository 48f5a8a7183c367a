package io.idempotencykey.mongo;

import com.mongodb.event.CommandListener;
import com.mongodb.event.CommandStartedEvent;
import com.mongodb.event.CommandSucceededEvent;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.Consumer;
import org.bson.BsonDocument;

/** What a client sends, except clock readings. It can hold a command back. */
final class RecordedCommands implements CommandListener {
    private record Command(String name, BsonDocument text) {}

    private final Queue<Command> commands = new ConcurrentLinkedQueue<>();
    private volatile Consumer<String> before = name -> {};
    private volatile Consumer<String> after = name -> {};

    @Override
    public void commandStarted(CommandStartedEvent event) {
        before.accept(event.getCommandName());
        if (!event.getCommandName().equals("hello")) {
            commands.add(new Command(event.getCommandName(), event.getCommand().clone()));
        }
    }

    @Override
    public void commandSucceeded(CommandSucceededEvent event) {
        after.accept(event.getCommandName());
    }

    /** What to do when a command is answered, with its name, on the thread that has sent it. */
    void after(Consumer<String> action) {
        after = action;
    }

    /** What to do before each command, with its name, on the thread that sends it. */
    void before(Consumer<String> action) {
        before = action;
    }

    void forget() {
        commands.clear();
    }

    List<String> names() {
        return commands.stream().map(Command::name).toList();
    }

    List<BsonDocument> texts() {
        return new ArrayList<>(commands.stream().map(Command::text).toList());
    }
}
