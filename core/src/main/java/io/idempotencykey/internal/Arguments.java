package io.idempotencykey.internal;

import java.util.List;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;

/** Checks of arguments, whose exceptions name the argument, show its value cut short, and say what is allowed. */
public final class Arguments {
    /** How many characters of a value that may be a secret a text shows. */
    public static final int SHOWN_OF_SECRETS = 8;

    /** How many characters of any other refused value a message shows. */
    private static final int SHOWN_CHARACTERS = 64;

    private Arguments() {}

    /** Returns the value, or throws a {@link NullPointerException} that names the argument. */
    public static <V> V required(@Nullable V value, String argument) {
        if (value == null) {
            throw new NullPointerException("argument '" + argument + "' is null; a value is required");
        }
        return value;
    }

    /** Returns the elements, or throws a {@link NullPointerException} that names the argument. */
    public static <V> List<V> listed(V @Nullable [] elements, String argument) {
        for (V element : required(elements, argument)) {
            required(element, argument);
        }
        return List.of(elements);
    }

    /** The exception for a refused value; to be thrown by the caller. */
    public static IllegalArgumentException refused(String argument, @Nullable Object value, String allowed) {
        return new IllegalArgumentException(refusal(argument, value, allowed));
    }

    /** The message for a refused value. */
    public static String refusal(String argument, @Nullable Object value, String allowed) {
        return refusalOfShown(argument, shown(value, SHOWN_CHARACTERS), allowed);
    }

    /** The exception for a refused value that may be a secret, such as a client's; to be thrown by the caller. */
    public static IllegalArgumentException refusedSecret(String argument, @Nullable Object value, String allowed) {
        return new IllegalArgumentException(refusalOfSecret(argument, value, allowed));
    }

    /** The message for a refused value that may be a secret. */
    public static String refusalOfSecret(String argument, @Nullable Object value, String allowed) {
        return refusalOfShown(argument, shownSecret(value), allowed);
    }

    private static String refusalOfShown(String argument, String shown, String allowed) {
        return "argument '" + argument + "' is " + shown + "; allowed: " + allowed;
    }

    /** Returns the duration or the instant if it lies between the two bounds, both included. */
    public static <V extends Comparable<V>> V between(V least, V most, V value, String argument) {
        required(value, argument);
        if (value.compareTo(least) < 0 || value.compareTo(most) > 0) {
            throw refused(argument, value, least + " to " + most);
        }
        return value;
    }

    /** Returns the number if it lies between the two bounds, both included. */
    public static int between(int least, int most, int value, String argument) {
        if (value < least || value > most) {
            throw refused(argument, value, least + " to " + most);
        }
        return value;
    }

    /** Returns the name if it has 1 to 100 letters, digits, {@code . _ -} of ASCII. */
    public static String name(String value, String argument) {
        required(value, argument);
        boolean legal = !value.isEmpty() && value.length() <= 100;
        for (int i = 0; legal && i < value.length(); i++) {
            char c = value.charAt(i);
            legal = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || "_-.".indexOf(c) >= 0;
        }
        if (!legal) {
            throw refused(argument, value, "1 to 100 ASCII letters, digits, '.', '_' and '-'");
        }
        return value;
    }

    /** Returns the text if it is well-formed, not too long, and has no control character, which some stores refuse. */
    public static String line(int mostCharacters, String text, String argument) {
        required(text, argument);
        if (text.length() > mostCharacters || !all(text, c -> !Character.isISOControl(c)) || !isWellFormed(text)) {
            throw refused(
                    argument, text, "at most " + mostCharacters + " characters, none of them a control character");
        }
        return text;
    }

    /** Says whether the text isn't too long and all its characters are visible ones of ASCII. */
    public static boolean isVisible(int mostCharacters, String text) {
        return text.length() <= mostCharacters && all(text, c -> c >= '!' && c <= '~');
    }

    /** Says whether all characters are allowed. Every request's are checked, so this is a loop and not a stream. */
    public static boolean all(String text, IntPredicate allowed) {
        for (int i = 0; i < text.length(); i++) {
            if (!allowed.test(text.charAt(i))) {
                return false;
            }
        }
        return true;
    }

    /** Says whether every surrogate in the text has its partner: a low one follows each high one, and nothing else. */
    public static boolean isWellFormed(String text) {
        boolean isHigh = false;
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (Character.isLowSurrogate(c) != isHigh) {
                return false;
            }
            isHigh = Character.isHighSurrogate(c);
        }
        return !isHigh;
    }

    /** A value that may be a secret as a message may show it: cut to eight characters, and on one line. */
    public static String shownSecret(@Nullable Object value) {
        return shown(value, SHOWN_OF_SECRETS);
    }

    private static String shown(@Nullable Object value, int most) {
        if (value == null) {
            return "null";
        }
        String text = value.toString();
        StringBuilder shown = new StringBuilder("'");
        for (int i = 0; i < text.length() && i < most; i++) {
            char c = text.charAt(i);
            // A refused value must not be able to forge lines of a log.
            if (c < ' ' || c >= 0x7f) {
                shown.append(String.format("\\u%04x", (int) c));
            } else {
                shown.append(c);
            }
        }
        shown.append(text.length() > most ? "…' (" + text.length() + " characters)" : "'");
        return shown.toString();
    }
}
