package io.idempotencykey.jpa;

import java.util.regex.Pattern;

/**
 * The statements that end a transaction, by the words that they begin with.
 *
 * <p>It guards against mistakes: a procedure, a block or a prepared text of the server's own may end a transaction,
 * too; these aren't looked into.
 */
final class EndingStatements {
    private static final String NAMES = "\"[^\"]*+\"|`[^`]*+`";
    private static final String TEXTS = "'[^']*+'";

    /** What PostgreSQL's names have, beside dollars. */
    private static final String LETTER = "[\\w\\x80-\\x{10ffff}]";

    /** Comments that hold others, as deep as anybody writes them. */
    private static final String NESTED = nested("(?!)", 4);

    private static final String ANYWHERE =
            "commit|rollback(?!\\s+(?:work\\s+|transaction\\s+)?to\\b)" + "|begin(?!\\s+not\\b)|start\\s+transaction";

    /**
     * What the manuals of MySQL 9 and MariaDB 11 list under "statements that cause an implicit commit".
     *
     * <p>Texts have escapes by a backslash, and some comments are run, so that only their ends are taken away.
     */
    static final EndingStatements INNODB = new EndingStatements(
            "'(?:[^'\\\\]|\\\\.)*+'|\"(?:[^\"\\\\]|\\\\.)*+\"|(?<=`autocommit)`|`(?!autocommit`)[^`]*+`"
                    + "|--(?=\\s)[^\\n]*+|#[^\\n]*+|/\\*M?!\\d*+|/\\*.*?\\*/|\\*/",
            "alter|analyze\\s+(?:\\w+\\s+)?table|cache\\s+index"
                    + "|change\\s+(?:master|replication)|check\\s+(?:table|view)"
                    + "|create(?!\\s+(?:or\\s+replace\\s+)?temporary\\s+table\\b)"
                    + "|drop(?!\\s+(?:temporary|prepare)\\b)|flush|grant|import\\s+table|install|load\\s+index"
                    + "|lock\\s+tables?|optimize|rename|repair|reset(?!\\s+persist\\b)|revoke|set\\s+password"
                    + "|set\\b.*(?:[\\s,.`]|@@)autocommit(?=\\s*+:?=)"
                    + "|start\\s+(?:group_replication|replica|slave|all)"
                    + "|stop\\s+(?:group_replication|replica|slave|all)|truncate|uninstall|unlock\\s+tables?|xa");

    /**
     * H2 commits before every statement that defines something, unless a temporary table is declared transactional, and
     * before every setting of the database that it doesn't change within a transaction.
     *
     * <p>A table that is made {@code as} a query may have the word in that query, and its statement is refused.
     */
    static final EndingStatements H2 = new EndingStatements(
            TEXTS + "|" + NAMES + "|(?<![\\w$])\\$\\$.*?\\$\\$|(?:--|//)[^\\n]*+|" + NESTED,
            "alter|analyze|backup|comment"
                    + "|(?:create|declare)(?!(?!.*\\bas\\b).*\\btemp(?:orary)?\\s+table\\b"
                    + ".*(?:\\)|\\s(?:drop|rows|persistent|logged)\\s)\\s*+transactional\\s*+$)"
                    + "|deallocate|drop|grant|prepare|refresh|revoke|runscript|script|shutdown|truncate"
                    + "|set(?!\\s*+(?:@|(?:catalog|lazy_query_execution|lock_timeout|non_keywords|query_timeout"
                    + "|retention_time|schema|schema_search_path|throttle|time\\s+zone|trace_level_file"
                    + "|trace_level_system_out|truncate_large_length|variable_binary|write_delay)\\b))");

    /** A dollar doesn't begin a quote within a name. */
    static final EndingStatements POSTGRESQL = new EndingStatements(
            "(?<![\\w$])e'(?:[^'\\\\]|\\\\.)*+'|" + TEXTS + "|" + NAMES
                    + "|(?<!\\$|" + LETTER + ")\\$(|(?!\\d)" + LETTER + "++)\\$.*?\\$(?-i:\\1)\\$"
                    + "|--[^\\n\\r]*+|" + NESTED,
            "abort|end|prepare\\s+transaction");

    private static final int FLAGS = Pattern.CASE_INSENSITIVE | Pattern.DOTALL;

    /** What nearly all statements are, and what none of these ends. */
    private static final Pattern USUAL =
            Pattern.compile("\\s*+(?:select|insert|update|delete|merge|with)\\b[^;]*+", FLAGS);

    /** What has statements of its own, which end nothing. */
    private static final Pattern BLOCK =
            Pattern.compile("\\s*+(?:begin\\s+not|create\\b.*\\bbegin\\s+atomic)\\b", FLAGS);

    private final Pattern quotes;
    private final Pattern ending;

    /**
     * Statements of a database.
     *
     * @param quotes its quoted texts and names, and its comments
     * @param more what ends a transaction there, beside what does so anywhere
     */
    private EndingStatements(String quotes, String more) {
        this.quotes = Pattern.compile(quotes, FLAGS);
        this.ending = Pattern.compile("\\s*+(?:" + ANYWHERE + "|" + more + ")\\b", FLAGS);
    }

    private static String nested(String comments, int depth) {
        return depth == 0 ? comments : nested("/\\*(?:" + comments + "|(?!/\\*|\\*/).)*+\\*/", depth - 1);
    }

    /** Whether a text, which may have several statements, ends a transaction. */
    boolean contain(String sql) {
        if (USUAL.matcher(sql).matches()) {
            return false;
        }
        String plain = quotes.matcher(sql).replaceAll(" ");
        if (BLOCK.matcher(plain).lookingAt()) {
            return false;
        }
        for (String statement : plain.split(";", -1)) {
            if (ending.matcher(statement).lookingAt()) {
                return true;
            }
        }
        return false;
    }
}
