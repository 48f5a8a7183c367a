package io.idempotencykey.console;

import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.Request;
import io.idempotencykey.service.OperatorActions;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.util.Callback;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.openqa.selenium.Keys;

/** The console as an operator sees and uses it, in a real browser. */
@Tag("browser")
class BrowserTest {
    /** Where pictures go; the documentation's are made with {@code -Dpictures=docs/console}. */
    private static final Path PICTURES = Path.of(System.getProperty("pictures", "target-quick/pictures"));

    /** Reorders text, and is invisible itself. */
    private static final String RIGHT_TO_LEFT = "\u202E";

    private static Browser browser;

    private Console console;

    @BeforeAll
    static void begin() throws IOException {
        browser = Browser.start();
    }

    @AfterAll
    static void stop() throws IOException {
        browser.close();
    }

    @BeforeEach
    void startConsole() {
        console = Console.start();
        browser.dark(false);
        browser.width(1100);
    }

    @AfterEach
    void stopConsole() {
        console.close();
    }

    private void openList(String list) {
        browser.open(console.url() + "#" + list);
    }

    private void openKey(KeyId id) {
        openList("quarantined");
        find(id);
        browser.seesText("#key-title", id.value());
    }

    private void find(KeyId id) {
        browser.type("#find [name=scope]", id.scope());
        browser.type("#find [name=value]", id.value());
        browser.click("#find [type=submit]");
    }

    private void confirm(String action, String typed) {
        browser.click("[data-action=" + action + "]");
        browser.type("#confirm [name=typed]", typed);
        browser.click("#do");
    }

    private void answer(String status, String body) {
        browser.click("[data-action=finish]");
        browser.type("#confirm [name=status]", status);
        browser.type("#confirm [name=body]", body);
        browser.type("#confirm [name=typed]", "order-");
        browser.click("#do");
    }

    /** Goes back to the list while an action is under way. */
    private void leave() {
        browser.back();
        browser.eventually(() -> !browser.element("#confirm").isDisplayed(), "the list in the key's place");
    }

    private String result() {
        browser.eventually(() -> !browser.text("#result").isEmpty(), "a result");
        return browser.text("#result");
    }

    // Acting

    @Test
    void anOperatorFindsAStuckKeyAndBringsItOn() {
        KeyId id = console.quarantined("shop-7", "order-4711");
        openList("quarantined");
        assertThat(browser.text("#card-quarantined")).contains("1", "They wait for an operator");

        browser.openKey("order-4711");
        assertThat(browser.text("#situation")).contains("In quarantine for", "Nobody goes on with it");
        assertThat(browser.text("#error")).contains("the provider says no");
        confirm("retry", "order-");

        assertThat(result()).startsWith("Done: the request goes on");
        assertThat(browser.text("#facts")).contains("open");
        assertThat(console.now(id).lastError()).startsWith("retry by ada");
        assertThat(browser.text("#history")).contains("retry, by ada");
    }

    @Test
    void anOperatorAnswersInTheStagesPlace() {
        KeyId id = console.quarantined("shop-7", "order-4711");
        openKey(id);

        answer("201", "{\"order\": \"by hand\"}");

        assertThat(result()).startsWith("Done: every retry gets your response");
        KeyState.Finished finished = (KeyState.Finished) console.now(id).state();
        assertThat(finished.response().status()).isEqualTo(201);
        assertThat(finished.response().body()).asString().isEqualTo("{\"order\": \"by hand\"}");
        browser.seesText("#response", "by hand");
        assertThat(browser.text("#why-not")).contains("There is nothing to do");
        assertThat(browser.focused().getDomAttribute("id")).isEqualTo("key-title");
    }

    @Test
    void anOperatorGivesARequestUp() {
        KeyId id = console.quarantined("shop-7", "order-4711");
        openKey(id);

        confirm("discard", "order-");

        assertThat(result()).startsWith("Key order-4711 in shop-7. Done: the key counts as absent");
        browser.seesText("#empty", "No key is in quarantine");
        openList("quarantined");
        find(id);
        browser.seesText("#problem", "There is no such key");
    }

    @Test
    void anActionThatIsNotConfirmedIsNotDone() {
        KeyId id = console.quarantined("shop-7", "order-4711");
        openKey(id);

        confirm("discard", "order");

        browser.seesText("#typed-problem", "That isn’t the key’s beginning");
        assertThat(browser.focused().getDomAttribute("name")).isEqualTo("typed");
        browser.press(Keys.ESCAPE);
        assertThat(browser.element("#confirm").isDisplayed()).isFalse();
        assertThat(console.now(id).state()).isInstanceOf(KeyState.Quarantined.class);
    }

    @Test
    void aWorkerThatTakesTheKeyMeanwhileWins() {
        KeyId id = console.quarantined("shop-7", "order-4711");
        openKey(id);
        browser.click("[data-action=discard]");
        new OperatorActions(console.keys).retry(console.now(id), "bob");
        console.keys.lock(id);

        browser.type("#confirm [name=typed]", "order-");
        browser.click("#do");

        assertThat(result()).startsWith("Not done: a worker took the request meanwhile");
        assertThat(browser.text("#situation")).contains("A worker has been at it");
        assertThat(browser.element("[data-action=discard]").isEnabled()).isFalse();
        assertThat(console.now(id).state()).isInstanceOf(KeyState.Locked.class);
    }

    @Test
    void whatAnotherOperatorDidMeanwhileIsSaid() {
        KeyId id = console.quarantined("shop-7", "order-4711");
        openKey(id);
        new OperatorActions(console.keys).retry(console.now(id), "bob");

        confirm("discard", "order-");

        assertThat(result()).startsWith("Not done: the request has changed since you looked at it");
        assertThat(browser.text("#error")).contains("retry by bob");
    }

    @Test
    void aKeyboardIsEnough() {
        KeyId id = console.quarantined("shop-7", "order-4711");
        openList("quarantined");

        tabTo("order-4711");
        browser.press(Keys.ENTER);
        browser.seesText("#key-title", "order-4711");
        tabTo("Retry…");
        browser.press(Keys.ENTER);
        browser.typeWhereTheFocusIs("order-");
        browser.press(Keys.ENTER);

        assertThat(result()).startsWith("Done");
        assertThat(console.now(id).state()).isInstanceOf(KeyState.Open.class);
        browser.eventually(() -> browser.focused().getText().equals("Retry…"), "the focus where it was");
    }

    private void tabTo(String text) {
        for (int tabs = 0; tabs < 50; tabs++) {
            browser.press(Keys.TAB);
            if (browser.focused().getText().equals(text)) {
                return;
            }
        }
        throw new AssertionError("no way by the keyboard to " + text);
    }

    @Test
    void anAnswerThatIsLostSaysThatNobodyKnows() {
        KeyId id = console.quarantined("shop-7", "order-4711");
        openKey(id);
        console.standInTheWay(504);

        confirm("discard", "order-");

        assertThat(result()).startsWith("It isn’t known whether it was done");
        console.standInTheWay(0);
        browser.letTimePass();
        browser.eventually(() -> browser.text("#problem").isEmpty(), "the page that goes on");
    }

    @Test
    void aResultSaysOfWhichKeyItIsWhereAnotherPageIsShown() {
        KeyId id = console.quarantined("shop-7", "order-4711");
        openKey(id);
        console.holdAnswers();
        confirm("retry", "order-");
        leave();

        console.letAnswersGo();

        assertThat(result()).startsWith("Key order-4711 in shop-7. Done: the request goes on");
    }

    @Test
    void aRefusalIsToldWhereItsDialogIsClosedByThen() {
        KeyId id = console.quarantined("shop-7", "order-4711");
        openKey(id);
        console.holdAnswers();
        answer("204", "a long story");
        leave();

        console.letAnswersGo();

        assertThat(result()).startsWith("Key order-4711 in shop-7. Not done");
    }

    @Test
    void whatWasTypedStaysWhereTheResponseIsRefused() {
        KeyId id = console.quarantined("shop-7", "order-4711");
        openKey(id);

        answer("204", "a long story");

        browser.seesText("#typed-problem", "Not done: ");
        assertThat(browser.element("#confirm [name=body]").getDomProperty("value"))
                .isEqualTo("a long story");
        assertThat(console.now(id).state()).isInstanceOf(KeyState.Quarantined.class);
        browser.type("#confirm [name=status]", "200");
        browser.click("#do");
        assertThat(result()).startsWith("Done: every retry gets your response");
    }

    @Test
    void nothingIsDoneToAKeyThatIsNotTheOneAskedFor() {
        openKey(console.quarantined("shop-7", "order-4711"));
        browser.type("#find [name=value]", "order-4712");
        console.holdAnswers();
        browser.click("#find [type=submit]");

        assertThat(browser.element("[data-action=discard]").isDisplayed()).isFalse();
        console.letAnswersGo();
        browser.seesText("#problem", "There is no such key in shop-7");
        assertThat(browser.element("[data-action=discard]").isDisplayed()).isFalse();
        browser.back();
        browser.seesText("#key-title", "order-4711");
        browser.click("[data-action=discard]");
        assertThat(browser.text("#confirm-key")).isEqualTo("order-4711 in shop-7");
        browser.back();
        browser.eventually(() -> !browser.element("#confirm").isDisplayed(), "no question about a key that is gone");
    }

    // Looking

    @Test
    void aListHasPagesThatLeadForthAndBack() {
        for (int i = 0; i < 120; i++) {
            console.quarantined("shop-7", "order-%03d".formatted(i));
        }
        openList("quarantined");
        assertThat(browser.elements("button.key")).hasSize(50);

        browser.click("#next");
        browser.seesText("#keys tbody", "order-050");
        browser.click("#next");
        browser.seesText("#keys tbody", "order-119");
        assertThat(browser.elements("button.key")).hasSize(20);
        assertThat(browser.element("#next").isDisplayed()).isFalse();
        browser.click("#previous");
        browser.seesText("#keys tbody", "order-050");

        assertThat(browser.text("#card-quarantined")).contains("120");
        browser.openKey("order-060");
        browser.back();
        browser.seesText("#keys tbody", "order-050");
        browser.openKey("order-060");
        browser.click("#back");
        browser.seesText("#keys tbody", "order-050");
    }

    @Test
    void theLinkThatSkipsLeadsToTheKeysAndNowhereElse() {
        console.open("shop-7", "order-4711");
        openList("unfinished");

        browser.press(Keys.TAB);
        browser.press(Keys.ENTER);

        assertThat(browser.focused().getDomAttribute("id")).isEqualTo("main");
        assertThat(browser.text("#list-title")).isEqualTo("Unfinished keys");
        assertThat(browser.address()).endsWith("#unfinished");
    }

    @Test
    void theListsAreOfAllScopesOrOfOne() {
        console.open("shop-7", "seven");
        console.open("shop-8", "eight");
        openList("unfinished");
        assertThat(browser.text("#keys tbody")).contains("seven", "eight", "waiting at started");
        assertThat(browser.text("#operations")).contains("none", "2, the first for ");

        browser.type("#find [name=scope]", "shop-8");
        browser.click("#find [type=submit]");

        browser.seesText("#list-title", "Unfinished keys in shop-8");
        assertThat(browser.text("#keys tbody")).contains("eight").doesNotContain("seven");
        browser.click("#clear");
        browser.seesText("#keys tbody", "seven");
    }

    @Test
    void anEmptyListSaysWhatThatMeans() {
        openList("quarantined");
        assertThat(browser.text("#empty")).contains("No key is in quarantine");
        assertThat(browser.text("#backlog")).contains("Nothing waits for an operator", "No request waits");

        browser.click("#to-unfinished");

        browser.seesText("#empty", "No request is under way, and none waits");
    }

    @Test
    void anEmptyListOfAScopeSaysNothingOfOthers() {
        console.quarantined("shop-7", "order-4711");
        openList("quarantined");

        browser.type("#find [name=scope]", "shop-8");
        browser.click("#find [type=submit]");

        browser.seesText("#list-title", "Quarantined keys in shop-8");
        assertThat(browser.text("#empty")).isEqualTo("No key of this scope is in quarantine.");
    }

    @Test
    void theNextPageIsThereAgainAfterARefreshThatFailed() {
        for (int i = 10; i < 70; i++) {
            console.quarantined("shop-7", "order-" + i);
        }
        openList("quarantined");
        browser.seesText("#keys tbody", "order-59");
        console.standInTheWay(503);
        browser.letTimePass();
        browser.eventually(() -> !browser.text("#problem").isEmpty(), "a refresh that fails");
        console.standInTheWay(0);
        browser.letTimePass();
        browser.eventually(() -> browser.text("#problem").isEmpty(), "the page that goes on");

        browser.click("#next");

        browser.seesText("#keys tbody", "order-69");
    }

    @Test
    void aKeyThatRestsSaysSinceWhenItDoes() {
        KeyId id = console.resting("shop-7", "order-4711");
        console.store.moveTime(Duration.ofMinutes(5));
        openList("unfinished");

        browser.seesText("#keys tbody", "rests for ");
        assertThat(browser.text("#keys [data-label=Since]")).startsWith("5 min");

        console.store.moveTime(Duration.ofDays(1));
        browser.letTimePass();

        browser.seesText("#keys tbody", "waiting at charged");
        KeyState.Open open = (KeyState.Open) console.now(id).state();
        assertThat(browser.element("#keys [data-label=Since] time").getDomAttribute("datetime"))
                .isEqualTo(open.resumableFrom().toString());
    }

    @Test
    void theBrowsersOwnButtonsLeadBackAndReload() {
        console.quarantined("shop-7", "order-4711");
        openList("quarantined");
        browser.openKey("order-4711");

        browser.reload();
        browser.seesText("#key-title", "order-4711");
        assertThat(browser.address()).endsWith("#key").doesNotContain("order");
        browser.back();

        browser.seesText("#list-title", "Quarantined keys");
        browser.eventually(() -> browser.element("#list").isDisplayed(), "the list");
        assertThat(console.requestedUrls).noneMatch(url -> url.contains("order") || url.contains("shop-7"));
    }

    @Test
    void anAddressMayNameTheUserAndThePassword() {
        console.quarantined("shop-7", "order-4711");

        browser.open(console.url().toString().replace("://", "://ada:secret@"));

        browser.seesText("#keys tbody", "order-4711");
    }

    @Test
    void timesAreInTheViewersZoneAndExactOnHover() {
        KeyId id = console.quarantined("shop-7", "order-4711");
        openKey(id);

        String created = console.now(id).createdAt().toString();
        assertThat(browser.element("#facts time[datetime='" + created + "']").getDomAttribute("title"))
                .isEqualTo(created);
        assertThat(browser.text("#facts time")).contains("GMT+9");
    }

    @Test
    void valuesAndActionsAreForThoseWhoMay() {
        KeyId id = console.quarantined("shop-7", "order-4711");
        console.signIn("eve");
        openKey(id);

        assertThat(browser.text("#user")).contains("eve", "may look, but not act");
        assertThat(browser.text("#request"))
                .contains("not shown: you may not see values")
                .doesNotContain("4711\"");
        assertThat(browser.text("#error")).doesNotContain("the provider says no");
        assertThat(browser.elements("[data-action]")).noneMatch(button -> button.isEnabled());
        assertThat(browser.text("#why-not")).isEqualTo("You may look, but not act.");
    }

    // Refreshing

    @Test
    void thePageRefreshesUntilItIsHiddenOrPaused() {
        openList("quarantined");
        console.quarantined("shop-7", "order-4711");

        browser.letTimePass();
        browser.seesText("#keys tbody", "order-4711");
        browser.eventually(() -> browser.heldTimers() == 1, "the next refresh");
        browser.setHidden(true);
        assertThat(browser.heldTimers()).isZero();
        browser.setHidden(false);
        browser.eventually(() -> browser.heldTimers() == 1, "a refresh of the page that is seen again");
        browser.click("#pause");
        assertThat(browser.heldTimers()).isZero();
        browser.setHidden(true);
        browser.setHidden(false);
        assertThat(browser.heldTimers()).isZero();
        browser.click("#pause");
        browser.eventually(() -> browser.heldTimers() == 1, "a refresh of the page that isn't paused any more");
    }

    @Test
    void aPageThatIsHiddenWhileItRefreshesDoesNotRefreshAgain() {
        openList("quarantined");
        console.quarantined("shop-7", "order-4711");
        console.holdAnswers();

        browser.letTimePass();
        browser.setHidden(true);
        console.letAnswersGo();

        browser.seesText("#keys tbody", "order-4711");
        assertThat(browser.heldTimers()).isZero();
    }

    @Test
    void aRefreshLeavesTheFocusWhereItIs() {
        console.quarantined("shop-7", "order-4711");
        openList("quarantined");
        tabTo("order-4711");
        console.quarantined("shop-7", "order-4710");

        browser.letTimePass();
        browser.seesText("#keys tbody", "order-4710");

        assertThat(browser.focused().getText()).isEqualTo("order-4711");
    }

    @Test
    void aRefreshDoesNotTouchWhatIsBeingDecided() {
        KeyId id = console.quarantined("shop-7", "order-4711");
        openKey(id);
        browser.click("[data-action=retry]");
        browser.type("#confirm [name=typed]", "ord");
        new OperatorActions(console.keys).retry(console.now(id), "bob");

        browser.letTimePass();

        assertThat(browser.heldTimers()).isEqualTo(1);
        assertThat(browser.text("#facts")).contains("quarantined");
        assertThat(browser.element("#confirm [name=typed]").getDomProperty("value"))
                .isEqualTo("ord");
    }

    @Test
    void aServerThatDoesNotAnswerIsSaidAndWhatWasSeenStays() {
        console.quarantined("shop-7", "order-4711");
        openList("quarantined");
        console.close();

        browser.letTimePass();

        browser.seesText("#problem", "The server doesn’t answer");
        assertThat(browser.text("#keys tbody")).contains("order-4711");
        browser.eventually(() -> browser.heldTimers() == 1, "the next try");
    }

    // Hostile

    @Test
    void whatKeysSayIsTextOnly() {
        String scope = "\"><script>window.hacked=1</script>";
        String value = ("<script>window.hacked=1</script><img/src=x/onerror=window.hacked=1>'\"&lt;${1}"
                        + "x".repeat(255))
                .substring(0, 255);
        String error = "<b>bold</b>" + RIGHT_TO_LEFT + "lla ti yap\u3164</pre><script>window.hacked=1</script>";
        console.quarantined(scope, value, error);
        openList("quarantined");
        browser.width(360);

        assertThat(browser.text("#keys tbody")).contains(value, scope, "<b>bold</b>\\u202ella ti yap");
        browser.openKey(value);

        assertThat(browser.text("#error")).contains("<b>bold</b>\\u202ella ti yap\\u3164</pre><script>");
        assertThat(browser.text("#facts")).contains(scope);
        assertThat(browser.script("return window.hacked")).isNull();
        assertThat(browser.script("return document.documentElement.scrollWidth <= window.innerWidth"))
                .isEqualTo(true);
        confirm("retry", value.substring(0, 6));
        assertThat(result()).startsWith("Done");
        assertThat(browser.script("return document.querySelectorAll('main script, main img, main b').length"))
                .isEqualTo(0L);
        assertThat(browser.accessibilityFindings()).isEmpty();
    }

    @Test
    void aScriptThatGotIntoThePageIsNotRun() {
        openList("quarantined");

        Object ran = browser.asyncScript("""
                const done = arguments[arguments.length - 1];
                const script = document.createElement('script');
                document.addEventListener('securitypolicyviolation', (event) => done(event.effectiveDirective));
                try {
                    script.textContent = 'window.hacked = 1';
                    document.body.append(script);
                } catch (refused) {
                    done(String(refused));
                }
                """);

        assertThat(String.valueOf(ran)).containsAnyOf("script-src", "trusted-types", "TrustedScript");
        assertThat(browser.script("return window.hacked")).isNull();
    }

    @Test
    void anotherSitesPageReadsNothingDoesNothingAndFramesNothing() throws Exception {
        KeyId id = console.quarantined("shop-7", "order-4711");
        openKey(id);
        String body = "{\"scope\":\"shop-7\",\"value\":\"order-4711\",\"typed\":\"order-\",\"creationId\":\""
                + console.now(id).creationId() + "\",\"updatedAt\":\""
                + console.now(id).updatedAt() + "\"}";
        Server other = new Server();
        ServerConnector connector = new ServerConnector(other);
        connector.setHost("127.0.0.1");
        other.addConnector(connector);
        other.setHandler(page("""
                <!doctype html><title>other</title><p id=refreshed>As of now</p>
                <iframe src="%1$s"></iframe>
                <form id=form method=post enctype="text/plain" action="%1$sapi/discard" target=out>
                <input name='%2$s' value=''></form><iframe name=out></iframe>
                """.formatted(console.url(), body)));
        other.start();
        try {
            browser.open("http://127.0.0.1:" + connector.getLocalPort() + "/");

            Object answers = browser.asyncScript("""
                    const done = arguments[arguments.length - 1];
                    const url = '%1$s';
                    const told = async (attempt) => { try { const r = await attempt; return r.type + ' '
                        + (await r.text()); } catch (refused) { return 'refused'; } };
                    (async () => {
                        const all = { credentials: 'include' };
                        const out = [];
                        out.push(await told(fetch(url + 'api/session', all)));
                        out.push(await told(fetch(url + 'api/session', { ...all, mode: 'no-cors' })));
                        out.push(await told(fetch(url + 'api/discard', { ...all, method: 'POST', body: '%2$s',
                            headers: { 'Content-Type': 'application/json', 'Idempotency-Console': 'x' } })));
                        out.push(await told(fetch(url + 'api/discard',
                            { ...all, method: 'POST', body: '%2$s', mode: 'no-cors' })));
                        const frame = document.querySelector('[name=out]');
                        frame.addEventListener('load', () => done(out));
                        document.getElementById('form').submit();
                    })();
                    """.formatted(console.url(), body));

            assertThat(String.valueOf(answers))
                    .startsWith("[")
                    .doesNotContain("ada")
                    .doesNotContain("token");
            assertThat(console.now(id).state()).isInstanceOf(KeyState.Quarantined.class);
            assertThat(browser.frame(0)).doesNotContain("Idempotency keys");
        } finally {
            other.stop();
        }
    }

    private static Handler page(String html) {
        return new Handler.Abstract() {
            @Override
            public boolean handle(org.eclipse.jetty.server.Request request, Response response, Callback callback) {
                response.getHeaders().put("Content-Type", "text/html");
                response.write(true, StandardCharsets.UTF_8.encode(html), callback);
                return true;
            }
        };
    }

    @Test
    void whoIsSomebodyElseByNowIsNotTakenForTheFirst() {
        KeyId id = console.quarantined("shop-7", "order-4711");
        openKey(id);
        console.signIn("bob", "operator");

        confirm("discard", "order-");

        assertThat(result()).startsWith("Not done: you are signed in as somebody else now");
        assertThat(console.now(id).state()).isInstanceOf(KeyState.Quarantined.class);
        browser.letTimePass();
        browser.seesText("#user", "Signed in as bob");
    }

    @Test
    void aRefusalOfAFrameworksIsSaidAndTheNextTryIsMadeAnew() {
        console.quarantined("shop-7", "order-4711");
        openList("quarantined");
        console.standInTheWay(403);
        browser.letTimePass();
        browser.seesText("#problem", "The server refused the request (403)");
        console.standInTheWay(0);
        console.signIn("bob", "operator");

        browser.letTimePass();

        browser.seesText("#user", "Signed in as bob");
        assertThat(browser.text("#problem")).isEmpty();
    }

    @Test
    void whoIsSignedOutIsTold() {
        console.quarantined("shop-7", "order-4711");
        openList("quarantined");
        console.signIn(null);

        browser.letTimePass();

        browser.seesText("#problem", "nobody is signed in");
    }

    // Accessibility, and pictures

    @Test
    void axeFindsNothingAndEachPageHasItsPicture() {
        shop();
        openList("quarantined");
        look("list");
        browser.dark(true);
        look("list-dark");
        browser.dark(false);
        browser.click("#to-unfinished");
        browser.seesText("#list-title", "Unfinished");
        look("unfinished");
        browser.click("#to-quarantined");
        browser.seesText("#list-title", "Quarantined");
        browser.openKey("order-4711");
        look("key");
        browser.dark(true);
        look("key-dark");
        browser.dark(false);
        browser.click("[data-action=finish]");
        look("finish");
        browser.press(Keys.ESCAPE);
        browser.width(390);
        look("key-narrow");
        openList("quarantined");
        look("list-narrow");
        browser.width(1100);
        browser.openKey("order-4711");
        confirm("retry", "order-");
        assertThat(result()).startsWith("Done");
        look("done");
    }

    @Test
    void axeFindsNothingOnAnEmptyPage() {
        openList("quarantined");
        look("empty");
    }

    private void look(String name) {
        browser.picture(PICTURES.resolve(name + ".png"));
        assertThat(browser.accessibilityFindings()).as(name).isEmpty();
    }

    /** A shop on a bad day. */
    private void shop() {
        console.keys.create("shop-3", "a1f9-cart", Request.of("POST", "/carts/9/complete", Map.of()));
        console.quarantined("shop-7", "order-4711", "the provider declines: card expired");
        console.store.moveTime(Duration.ofMinutes(47));
        console.quarantined("shop-7", "order-4712", "Connection refused: payments.internal");
        console.quarantined("", "7d1c2c1e-0e7f-4c4b-9a53-0a4b1f0f7f10", "the provider declines: no such account");
        console.store.moveTime(Duration.ofMinutes(3));
        console.open("shop-7", "order-4713");
        console.keys.lock(console.open("shop-8", "order-12"));
    }
}
