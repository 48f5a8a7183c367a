package io.idempotencykey.chaos;

/** A program whose threads never wait. */
final class Busy {
    private static volatile long turns;

    private Busy() {}

    /** Runs so many threads until the process is killed. */
    public static void main(String[] arguments) {
        for (int i = Integer.parseInt(arguments[0]); i > 0; i--) {
            new Thread(() -> {
                        for (long turn = 0; turn >= 0; turn++) {
                            turns = turn;
                        }
                    })
                    .start();
        }
        System.out.println("busy");
    }
}
