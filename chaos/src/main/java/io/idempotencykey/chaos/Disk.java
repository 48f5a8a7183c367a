package io.idempotencykey.chaos;

import java.io.IOException;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/** A folder for a server's data: where that can be, a file system of its own in memory, which can be made full. */
final class Disk {
    private static final String ROOMY = "2g";

    private final Path folder;
    private final Optional<String> problem;

    Disk(Path folder) throws IOException, InterruptedException {
        this.folder = Files.createDirectories(folder);
        this.problem = mount();
    }

    private Optional<String> mount() throws InterruptedException {
        try {
            Processes.run("mount", "-t", "tmpfs", "-o", "size=" + ROOMY + ",mode=700", "none", folder.toString());
            return Optional.empty();
        } catch (IOException e) {
            return Optional.of("a file system can't be mounted here: " + e.getMessage());
        }
    }

    Path folder() {
        return folder;
    }

    /** Why it can't be made full, unless it can. */
    Optional<String> problem() {
        return problem;
    }

    /** Leaves it exactly the room that is used. */
    void fill() throws IOException, InterruptedException {
        for (int more = 0; ; more++) {
            FileStore store = Files.getFileStore(folder);
            long used = (store.getTotalSpace() - store.getUnallocatedSpace()) / 1024;
            try {
                resize(used + (long) more * 4 + "k");
                return;
            } catch (IOException e) {
                // Meanwhile more may have been written.
                if (more == 20) {
                    throw e;
                }
            }
        }
    }

    void empty() throws IOException, InterruptedException {
        resize(ROOMY);
    }

    private void resize(String size) throws IOException, InterruptedException {
        Processes.run("mount", "-o", "remount,size=" + size, folder.toString());
    }

    /** Gives the memory back; the server has ended by then. */
    void remove() throws InterruptedException {
        try {
            if (problem.isEmpty()) {
                Processes.run("umount", "-l", folder.toString());
            }
        } catch (IOException e) {
            // It goes when everything else does.
        }
    }
}
