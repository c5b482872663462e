//! A small client of WebDriver (W3C), spoken with the machine's `chromedriver`.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};
use tiebreak_client::transport::Transport;
use tiebreak_client::transport::http::HttpTransport;
use tiebreak_core::delivery::Delivery;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// What `chromedriver` says besides the content of a page that was asked for.
const TALK: usize = 1 << 20;

/// How long driver and browser may take to end by themselves.
const CLOSING: Duration = Duration::from_secs(5);

/// How long a page may take to load.
const LOADING: Duration = Duration::from_secs(30);

/// Makes the browser invisible, for tests on machines without a screen; a person could not pass anything there.
const HEADLESS: &str = "TIEBREAK_TEST_HEADLESS";

/// Why a command was not performed.
#[derive(Debug)]
pub(super) enum Fault {
    /// The window or the browser is gone.
    Gone,
    /// The script was not done in time.
    Overdue,
    /// `chromedriver` cannot be reached: it did not get the command.
    Unreached,
    /// Something else; in its words.
    Other(String),
}

/// One window of one browser of its own. Ends with [`Session::close`].
#[derive(Debug)]
pub(super) struct Session {
    driver: Child,
    http: HttpTransport,
    /// `http://127.0.0.1:PORT`
    base: String,
    id: String,
}

/// Why there can be no window on this machine; `None`: there can.
pub(super) fn missing_screen() -> Option<&'static str> {
    let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty());
    let windows = cfg!(any(target_os = "macos", windows)) || set("DISPLAY") || set("WAYLAND_DISPLAY");
    (!windows && !is_headless()).then_some(
        "this machine has no screen (neither DISPLAY nor WAYLAND_DISPLAY is set), so nobody could see the page",
    )
}

fn is_headless() -> bool {
    std::env::var_os(HEADLESS).as_deref() == Some(OsStr::new("1"))
}

impl Session {
    /// Starts driver and browser, with this profile or a new one. The error completes "it could not be handed to a browser: …".
    pub(super) async fn start(profile: Option<&Path>, script_timeout: Duration) -> Result<Session, String> {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| match e.kind() {
                std::io::ErrorKind::NotFound => "chromedriver is not installed (Debian: chromium-driver)".to_owned(),
                _ => format!("chromedriver does not start: {e}"),
            })?;
        let port = port_of(&mut driver).await.ok_or("chromedriver does not start")?;
        tracing::debug!(port, "chromedriver listens");
        let mut session = Session {
            driver,
            http: HttpTransport::default(),
            base: format!("http://127.0.0.1:{port}"),
            id: String::new(),
        };
        match session.open_window(profile, script_timeout).await {
            Ok(id) => {
                session.id = id;
                Ok(session)
            }
            Err(fault) => {
                session.close().await;
                Err(match fault {
                    Fault::Other(why) => format!("Chromium does not start: {}", why.lines().next().unwrap_or_default()),
                    Fault::Gone | Fault::Overdue | Fault::Unreached => "Chromium does not start".to_owned(),
                })
            }
        }
    }

    async fn open_window(&self, profile: Option<&Path>, script_timeout: Duration) -> Result<String, Fault> {
        let mut args = vec!["--no-first-run".to_owned()];
        if let Some(profile) = profile {
            args.push(format!("--user-data-dir={}", profile.display()));
        }
        if is_headless() {
            // Tests run as root in containers, where Chromium's sandbox refuses to start.
            args.extend(
                [
                    "--headless=new",
                    "--disable-gpu",
                    "--disable-dev-shm-usage",
                    "--no-sandbox",
                ]
                .map(str::to_owned),
            );
        }
        let script = u64::try_from(script_timeout.as_millis()).unwrap_or(u64::MAX);
        let load = u64::try_from(LOADING.as_millis()).unwrap_or(u64::MAX);
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": { "args": args },
            "timeouts": { "script": script, "pageLoad": load },
            "unhandledPromptBehavior": "ignore",
        }}});
        let got = self.command(Method::POST, "/session", &wanted, TALK).await?;
        let id = got["sessionId"].as_str().map(str::to_owned);
        id.ok_or_else(|| Fault::Other("its driver names no session".to_owned()))
    }

    /// Loads a page.
    pub(super) async fn open(&self, url: &str) -> Result<(), Fault> {
        let path = format!("/session/{}/url", self.id);
        self.command(Method::POST, &path, &json!({ "url": url }), TALK)
            .await
            .map(drop)
    }

    /// Runs the statements of a function; gives back what it returns.
    pub(super) async fn run(&self, script: &str) -> Result<Value, Fault> {
        let path = format!("/session/{}/execute/sync", self.id);
        let asked = json!({ "script": script, "args": [] });
        self.command(Method::POST, &path, &asked, TALK).await
    }

    /// Runs the statements of a function that calls its last argument when it is done. Of what it says at most `keep` bytes are read.
    pub(super) async fn run_async(&self, script: &str, args: Value, keep: usize) -> Result<Value, Fault> {
        let path = format!("/session/{}/execute/async", self.id);
        let asked = json!({ "script": script, "args": args });
        self.command(Method::POST, &path, &asked, keep.saturating_add(TALK))
            .await
    }

    async fn command(&self, method: Method, path: &str, asked: &Value, keep: usize) -> Result<Value, Fault> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("content-type", "application/json")
            .body(Bytes::from(asked.to_string()))
            .map_err(|e| Fault::Other(e.to_string()))?;
        let response = match self.http.send(request, keep).await {
            Delivery::Answered(response) | Delivery::Declined(response) => response,
            Delivery::NotSent(_) => return Err(Fault::Unreached),
            Delivery::Unknown(_) => return Err(Fault::Gone),
        };
        let mut answer: Value = serde_json::from_slice(&response.content).unwrap_or_default();
        let value = answer["value"].take();
        if response.status.is_success() && response.complete {
            return Ok(value);
        }
        // W3C WebDriver §6.6: the codes of errors.
        Err(match value["error"].as_str() {
            Some("no such window" | "invalid session id") => Fault::Gone,
            Some("script timeout") => Fault::Overdue,
            code => Fault::Other(match value["message"].as_str() {
                Some(message) => message.to_owned(),
                None => code.unwrap_or("its driver answers in an unknown way").to_owned(),
            }),
        })
    }

    /// Ends browser and driver.
    pub(super) async fn close(mut self) {
        let end = async {
            if !self.id.is_empty() {
                let path = format!("/session/{}", self.id);
                let _ = self.command(Method::DELETE, &path, &json!({}), TALK).await;
            }
            let _ = self.command(Method::GET, "/shutdown", &json!({}), TALK).await;
            let _ = self.driver.wait().await;
        };
        if tokio::time::timeout(CLOSING, end).await.is_err() {
            tracing::warn!("the browser did not close by itself; close its window");
        }
    }
}

/// The port that the driver chose. What it says later is read and left.
async fn port_of(driver: &mut Child) -> Option<u16> {
    let mut lines = BufReader::new(driver.stdout.take()?).lines();
    let port = loop {
        let line = lines.next_line().await.ok()??;
        if let Some(rest) = line.split("successfully on port ").nth(1) {
            break rest.trim_end_matches('.').parse().ok()?;
        }
    };
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Some(port)
}
