package io.idempotencykey.console;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Base64;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.openqa.selenium.By;
import org.openqa.selenium.Dimension;
import org.openqa.selenium.Keys;
import org.openqa.selenium.WebElement;
import org.openqa.selenium.chrome.ChromeDriver;
import org.openqa.selenium.chrome.ChromeDriverService;
import org.openqa.selenium.chrome.ChromeOptions;
import org.openqa.selenium.support.ui.WebDriverWait;

/**
 * A Chromium without a window, of a viewer in Tokyo, in which pages' timers run when the test says so, and not by
 * themselves.
 */
final class Browser implements AutoCloseable {
    /** Only a machine's speed decides how much of it is needed. */
    private static final Duration PATIENCE = Duration.ofMinutes(1);

    /** Holds the long timers back, which are the page's own; runs them with {@code runTimers()}. */
    private static final String TIMERS = """
            const held = new Map();
            let last = 0;
            const start = window.setTimeout.bind(window);
            const stop = window.clearTimeout.bind(window);
            window.setTimeout = (callback, delay, ...more) => {
                if (!(delay >= 1000)) { return start(callback, delay, ...more); }
                held.set(--last, callback);
                return last;
            };
            window.clearTimeout = (timer) => { if (!held.delete(timer)) { stop(timer); } };
            window.heldTimers = () => held.size;
            window.runTimers = () => { const all = [...held.values()]; held.clear(); all.forEach((each) => each()); };
            """;

    private final Path profile;
    private final ChromeDriver driver;

    private Browser(Path profile, ChromeDriver driver) {
        this.profile = profile;
        this.driver = driver;
    }

    static Browser start() throws IOException {
        Path profile = Files.createTempDirectory("browser");
        ChromeDriverService service = new ChromeDriverService.Builder()
                .usingDriverExecutable(program("chromedriver").toFile())
                .usingAnyFreePort()
                .withEnvironment(Map.of("TZ", "Asia/Tokyo"))
                .build();
        ChromeOptions options = new ChromeOptions();
        options.setBinary(program("chromium").toFile());
        options.addArguments(
                "--headless=new",
                "--no-sandbox",
                "--disable-background-networking",
                "--disable-dev-shm-usage",
                "--lang=en-GB",
                "--user-data-dir=" + profile);
        ChromeDriver driver = new ChromeDriver(service, options);
        driver.executeCdpCommand("Page.addScriptToEvaluateOnNewDocument", Map.of("source", TIMERS));
        return new Browser(profile, driver);
    }

    private static Path program(String name) {
        return Stream.of(System.getenv("PATH").split(":", -1))
                .map(folder -> Path.of(folder, name))
                .filter(Files::isExecutable)
                .findFirst()
                .orElseThrow(
                        () -> new IllegalStateException("there is no " + name + " here; tools/browser installs it"));
    }

    void open(String url) {
        driver.get("about:blank");
        driver.get(url);
        seesText("#refreshed", "As of");
    }

    void reload() {
        driver.navigate().refresh();
        seesText("#refreshed", "As of");
    }

    void back() {
        driver.navigate().back();
    }

    String address() {
        return Objects.requireNonNull(driver.getCurrentUrl());
    }

    WebElement element(String selector) {
        return driver.findElement(By.cssSelector(selector));
    }

    List<WebElement> elements(String selector) {
        return driver.findElements(By.cssSelector(selector));
    }

    /** What a person reads there. */
    String text(String selector) {
        return element(selector).getText();
    }

    void click(String selector) {
        element(selector).click();
    }

    /** All that is in a frame, be it the browser's own words. */
    String frame(int index) {
        driver.switchTo().frame(index);
        try {
            return Objects.requireNonNull(driver.getPageSource());
        } finally {
            driver.switchTo().defaultContent();
        }
    }

    /** Clicks on a key in a list, and waits until it is shown. */
    void openKey(String value) {
        elements("button.key").stream()
                .filter(link -> link.getText().equals(value))
                .findFirst()
                .orElseThrow(() -> new AssertionError("no key " + value + " in " + text("main")))
                .click();
        seesText("#key-title", value);
    }

    void type(String selector, String text) {
        WebElement field = element(selector);
        field.clear();
        field.sendKeys(text);
    }

    /** Types a key where the focus is. */
    void press(Keys key) {
        driver.switchTo().activeElement().sendKeys(key);
    }

    void typeWhereTheFocusIs(String text) {
        driver.switchTo().activeElement().sendKeys(text);
    }

    WebElement focused() {
        return driver.switchTo().activeElement();
    }

    void seesText(String selector, String text) {
        eventually(
                () -> elements(selector).stream()
                        .anyMatch(each -> each.getText().contains(text)),
                "'" + text + "' at " + selector);
    }

    void eventually(Check check, String what) {
        new WebDriverWait(driver, PATIENCE).withMessage(what).until(ignored -> check.holds());
    }

    /** What is to become true. */
    @FunctionalInterface
    interface Check {
        boolean holds();
    }

    @Nullable
    Object script(String script, Object... arguments) {
        return driver.executeScript(script, arguments);
    }

    @Nullable
    Object asyncScript(String script) {
        driver.manage().timeouts().scriptTimeout(PATIENCE);
        return driver.executeAsyncScript(script);
    }

    long heldTimers() {
        return (long) Objects.requireNonNull(script("return heldTimers()"));
    }

    /** What the page does of itself after a while. */
    void letTimePass() {
        script("runTimers()");
    }

    /** Puts another page in front of this one, or this one in front again. */
    void setHidden(boolean hidden) {
        script("""
                Object.defineProperty(document, 'visibilityState',
                    { configurable: true, get: () => arguments[0] ? 'hidden' : 'visible' });
                document.dispatchEvent(new Event('visibilitychange'));
                """, hidden);
    }

    void dark(boolean dark) {
        driver.executeCdpCommand(
                "Emulation.setEmulatedMedia",
                Map.of("features", List.of(Map.of("name", "prefers-color-scheme", "value", dark ? "dark" : "light"))));
    }

    void width(int width) {
        driver.executeCdpCommand(
                "Emulation.setDeviceMetricsOverride",
                Map.of("width", width, "height", 900, "deviceScaleFactor", 1, "mobile", false));
        driver.manage().window().setSize(new Dimension(width, 900));
    }

    /** What axe-core finds, by the rules of all its standards. */
    List<String> accessibilityFindings() {
        driver.executeScript(axe());
        Object found = asyncScript("""
                const done = arguments[arguments.length - 1];
                axe.run({ resultTypes: ['violations'] }).then(
                    (result) => done(result.violations.map((each) => `${each.impact} ${each.id}: ${each.help} `
                        + each.nodes.map((node) => node.html + ' ' + node.failureSummary).join(' | '))),
                    (error) => done(['axe failed: ' + error]));
                """);
        assertThat(found).isInstanceOf(List.class);
        return ((List<?>) Objects.requireNonNull(found))
                .stream().map(String::valueOf).toList();
    }

    private static String axe() {
        try (InputStream in = com.deque.html.axecore.selenium.AxeBuilder.class.getResourceAsStream("/axe.min.js")) {
            return new String(Objects.requireNonNull(in, "axe.min.js").readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Makes a picture of the whole page, or of what is to be seen while a dialog is before it. */
    void picture(Path file) {
        Map<?, ?> size = (Map<?, ?>) script("""
                const page = document.documentElement;
                const height = document.querySelector('dialog[open]') ? innerHeight : page.scrollHeight;
                return { x: 0, y: 0, width: innerWidth, height, scale: 1 };
                """);
        Map<String, Object> taken =
                driver.executeCdpCommand("Page.captureScreenshot", Map.of("captureBeyondViewport", true, "clip", size));
        try {
            Files.createDirectories(Objects.requireNonNull(file.getParent()));
            Files.write(file, Base64.getDecoder().decode((String) taken.get("data")));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void close() throws IOException {
        driver.quit();
        try (Stream<Path> files = Files.walk(profile)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(file);
            }
        }
    }
}
