//! A real browser: headless Chromium, driven by WebDriver. Without one, the tests report that they are skipped.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Generous bound for each wait; a test that reaches it fails.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Interval between two evaluations of a condition.
const AGAIN: Duration = Duration::from_millis(20);

/// Allows one browser at a time, because a browser needs much processor time.
static ONE: Mutex<()> = Mutex::new(());

/// Reports that this test is skipped.
pub(crate) fn skip(reason: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // Writes to stderr directly, because the test harness captures the output of passing tests.
    let written = writeln!(std::io::stderr(), "skipped: {test}: {reason}");
    written.expect("written");
}

/// A browser with a profile of its own, which is removed after the test.
pub(crate) struct Browser {
    runtime: Runtime,
    client: Client,
    driver: Child,
    _profile: TempDir,
    _one: MutexGuard<'static, ()>,
}

/// Starts a browser, or reports that the test is skipped.
macro_rules! browser {
    () => {
        match $crate::browser::Browser::start(&[]) {
            Some(browser) => browser,
            None => return,
        }
    };
}
pub(crate) use browser;

impl Browser {
    /// Starts a browser with additional flags; `None` if none is installed.
    pub(crate) fn start(flags: &[&str]) -> Option<Self> {
        Self::start_with(flags, &json!({}))
    }

    /// Starts a browser whose pages have exactly this size, which may be smaller than the smallest window.
    pub(crate) fn with_view(width: u32, height: u32) -> Option<Self> {
        let metrics = json!({ "width": width, "height": height, "pixelRatio": 1, "mobile": false, "touch": false });
        Self::start_with(&[], &json!({ "mobileEmulation": { "deviceMetrics": metrics } }))
    }

    fn start_with(flags: &[&str], options: &Value) -> Option<Self> {
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut driver) = driver else {
            skip("there is no chromedriver (and Chromium) here");
            return None;
        };
        let mut lines = BufReader::new(driver.stdout.take().expect("a pipe")).lines();
        let started = lines.find_map(|line| {
            let line = line.ok()?;
            let port = line.strip_prefix("ChromeDriver was started successfully on port ")?;
            Some(port.trim_end_matches('.').to_owned())
        });
        let port = started.expect("chromedriver says its port");
        let profile = tempfile::tempdir().expect("a directory");
        let mut arguments = vec![
            "--headless=new".to_owned(),
            "--no-sandbox".into(),
            "--disable-gpu".into(),
            "--disable-quic".into(),
            "--no-first-run".into(),
            "--disable-background-networking".into(),
            "--disable-component-update".into(),
            "--disable-sync".into(),
            "--window-size=1000,720".into(),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        arguments.extend(flags.iter().map(|flag| (*flag).to_owned()));
        let mut options = options.clone();
        options["args"] = json!(arguments);
        let capabilities = json!({ "goog:chromeOptions": options });
        let capabilities = capabilities.as_object().expect("an object").clone();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let client = runtime.block_on(
            ClientBuilder::new(HttpConnector::new())
                .capabilities(capabilities)
                .connect(&format!("http://127.0.0.1:{port}")),
        );
        Some(Self {
            client: client.expect("a session"),
            runtime,
            driver,
            _profile: profile,
            _one: one,
        })
    }

    pub(crate) fn open(&self, url: &str) {
        self.runtime.block_on(self.client.goto(url)).expect("opened");
    }

    /// Runs a script in the page and returns its result.
    pub(crate) fn run(&self, script: &str) -> Value {
        let ran = self.runtime.block_on(self.client.execute(script, Vec::new()));
        ran.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// Waits until an expression is true in the page.
    pub(crate) fn wait_for(&self, expression: &str) {
        if !self.comes_true(expression) {
            let page = self.run("return document.documentElement.outerHTML");
            panic!(
                "`{expression}` was not so in time in:\n{}",
                page.as_str().unwrap_or_default()
            );
        }
    }

    /// Waits until an expression is true in the page; returns false if the bound is reached.
    pub(crate) fn comes_true(&self, expression: &str) -> bool {
        let until = Instant::now() + WAIT_MAX;
        let script = format!("return !!({expression})");
        while Instant::now() < until {
            // An evaluation fails while the page is reloaded.
            let ran = self.runtime.block_on(self.client.execute(&script, Vec::new()));
            if ran.is_ok_and(|found| found == json!(true)) {
                return true;
            }
            self.runtime.block_on(async { tokio::time::sleep(AGAIN).await });
        }
        false
    }

    /// Opens a new tab and switches to it.
    pub(crate) fn new_tab(&self, url: &str) {
        let tab = self.runtime.block_on(async {
            let tab = self.client.new_window(true).await?;
            self.client.switch_to_window(tab.handle).await
        });
        tab.expect("a tab");
        self.open(url);
    }

    /// Switches to the `number`-th tab in the order in which they were opened.
    pub(crate) fn tab(&self, number: usize) {
        let there = self.runtime.block_on(async {
            let tabs = self.client.windows().await?;
            self.client.switch_to_window(tabs[number].clone()).await
        });
        there.expect("that tab");
    }

    /// Presses keys in the focused element.
    pub(crate) fn press(&self, keys: &str) {
        let pressed = self
            .runtime
            .block_on(async { self.client.active_element().await?.send_keys(keys).await });
        pressed.expect("pressed");
    }

    /// Moves the pointer over an element.
    pub(crate) fn point_at(&self, selector: &str) {
        use fantoccini::Locator;
        use fantoccini::actions::{InputSource, MouseActions, PointerAction};

        let moved = self.runtime.block_on(async {
            let element = self.client.find(Locator::Css(selector)).await?;
            let there = PointerAction::MoveToElement {
                element,
                duration: None,
                x: 0.0,
                y: 0.0,
            };
            self.client
                .perform_actions(MouseActions::new("mouse".to_owned()).then(there))
                .await
        });
        moved.expect("moved");
    }

    /// Presses keys wherever the focus is, also in a shadow tree.
    pub(crate) fn press_in_page(&self, keys: &str) {
        use fantoccini::actions::{InputSource, KeyAction, KeyActions};

        let keys = keys
            .chars()
            .flat_map(|value| [KeyAction::Down { value }, KeyAction::Up { value }]);
        let keys = keys.fold(KeyActions::new("keyboard".to_owned()), |keys, key| keys.then(key));
        self.runtime
            .block_on(self.client.perform_actions(keys))
            .expect("pressed");
    }

    /// Returns a screenshot as PNG.
    pub(crate) fn screenshot(&self) -> Vec<u8> {
        self.runtime.block_on(self.client.screenshot()).expect("a picture")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let client = self.client.clone();
        let closed = async { tokio::time::timeout(Duration::from_secs(10), client.close()).await };
        let _ = self.runtime.block_on(closed);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
