package io.idempotencykey.benchmarks;

/** What a side does for a client: the library, or code written by hand in its place. */
interface Requests {
    /** Claims a new key and works two stages, each of which writes one row of the application's. */
    void stages(String key) throws Exception;

    /** Runs a new request of one stage, which writes one row, in one transaction. */
    void single(String key) throws Exception;

    /** Presents a finished key once more, and gets the stored response. */
    void replay(String key) throws Exception;

    /** Reads a finished key that is known to exist. */
    void retrieve(String key) throws Exception;

    /** Presents a key that somebody else holds, and is told so. */
    void refused(String key) throws Exception;
}
