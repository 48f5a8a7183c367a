package io.idempotencykey.jpa;

import java.util.regex.Pattern;

/**
 * The statements that end a transaction, by the words that they begin with.
 *
 * <p>It guards against mistakes: a procedure, a block or a prepared text of the server's own may end a transaction,
 * too; these aren't looked into.
 */
final class EndingStatements {
    /** What MySQL and MariaDB run of a comment counts as text. */
    private static final String NOTHING = "(?:\\s|;|--[^\\n]*+\\n|#[^\\n]*+\\n|/\\*M?!\\d*|\\*/|/\\*.*?\\*/)*+";

    private static final String EVERYWHERE = "commit|end|abort|rollback(?!\\s+(?:work\\s+|transaction\\s+)?to\\b)"
            + "|begin(?!\\s+not\\b)|start\\s+transaction|set\\b[^;]*\\bautocommit\\b";

    /** What the manuals of MySQL 9 and MariaDB 11 list under "statements that cause an implicit commit". */
    static final EndingStatements INNODB = new EndingStatements("alter|analyze\\s+(?:\\w+\\s+)?table|cache\\s+index"
            + "|change\\s+(?:master|replication)|check\\s+(?:table|view)"
            + "|create(?!\\s+(?:or\\s+replace\\s+)?temporary\\b)"
            + "|drop(?!\\s+temporary\\b)|flush|grant|import\\s+table|install|load\\s+index|lock\\s+tables?"
            + "|optimize|rename|repair|reset|revoke|set\\s+password|start\\s+(?:group_replication|replica|slave|all)"
            + "|stop\\s+(?:group_replication|replica|slave|all)|truncate|uninstall|unlock\\s+tables?|xa");

    /** H2 commits before every statement that defines something, unless a table is declared transactional. */
    static final EndingStatements H2 =
            new EndingStatements("alter|analyze|backup|comment|create(?!.*\\btransactional\\b)"
                    + "|drop|grant|prepare\\s+commit|revoke|runscript|shutdown|truncate");

    static final EndingStatements POSTGRESQL = new EndingStatements("prepare\\s+transaction");

    /** Quoted texts and names, and comments. */
    private static final Pattern QUOTED = Pattern.compile(
            "'[^']*+'|\"[^\"]*+\"|`[^`]*+`|\\$(\\w*+)\\$.*?\\$\\1\\$|--[^\\n]*+|/\\*(?!M?!).*?\\*/", Pattern.DOTALL);

    /** What has statements of its own, which end nothing. */
    private static final Pattern BLOCK = Pattern.compile(
            NOTHING + "(?:begin\\s+not|create\\b.*\\bbegin\\s+atomic)\\b", Pattern.CASE_INSENSITIVE | Pattern.DOTALL);

    private final Pattern ending;

    private EndingStatements(String more) {
        ending = Pattern.compile(
                NOTHING + "(?:" + EVERYWHERE + "|" + more + ")\\b", Pattern.CASE_INSENSITIVE | Pattern.DOTALL);
    }

    /** Whether a text, which may have several statements, ends a transaction. */
    boolean contain(String sql) {
        if (ending.matcher(sql).lookingAt()) {
            return true;
        }
        if (sql.indexOf(';') < 0 || BLOCK.matcher(sql).lookingAt()) {
            return false;
        }
        for (String statement : QUOTED.matcher(sql).replaceAll(" ").split(";", -1)) {
            if (ending.matcher(statement).lookingAt()) {
                return true;
            }
        }
        return false;
    }
}
