package io.idempotencykey.service;

/** Stands for the end of a process: whoever it passes does nothing any more. */
final class Crash extends Error {
    private static final long serialVersionUID = 1L;
}
