//! A real Chromium, driven over WebDriver (W3C) by the machine's `chromedriver`; both end with the test.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::Client;

/// How long a page may take to show what is waited for.
const PATIENCE: Duration = Duration::from_secs(15);

/// Keys, as WebDriver names them.
pub const TAB: &str = "\u{e004}";
pub const ENTER: &str = "\u{e007}";
pub const ESCAPE: &str = "\u{e00c}";
pub const RIGHT: &str = "\u{e014}";

pub struct Browser {
    driver: Child,
    client: Client,
    session: String,
    _profile: TempDir,
}

impl Browser {
    /// Starts a headless Chromium with an empty profile and a window of this size.
    pub async fn start(width: u32, height: u32) -> Browser {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is missing: run scripts/prepare");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| {
                line.split("successfully on port ")
                    .nth(1)?
                    .trim_end_matches('.')
                    .parse::<u16>()
                    .ok()
            })
            .expect("chromedriver did not start");
        std::thread::spawn(move || lines.map_while(Result::ok).count());
        let profile = tempfile::tempdir().unwrap();
        let mut args = vec![
            "--headless=new".to_owned(),
            "--disable-gpu".into(),
            "--disable-dev-shm-usage".into(),
            "--disable-background-networking".into(),
            "--no-first-run".into(),
            format!("--window-size={width},{height}"),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        // Chromium's sandbox refuses to run as root, as in containers.
        if Command::new("id").arg("-u").output().unwrap().stdout.trim_ascii() == b"0" {
            args.push("--no-sandbox".into());
        }
        let mut browser = Browser {
            driver,
            client: Client::new(format!("127.0.0.1:{port}")),
            session: String::new(),
            _profile: profile,
        };
        let asked = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": args},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }}});
        let got = browser.command(Method::POST, "/session", &asked).await;
        browser.session = got["sessionId"].as_str().unwrap().to_owned();
        browser
    }

    async fn command(&mut self, method: Method, path: &str, asked: &Value) -> Value {
        let content = if method == Method::GET {
            String::new()
        } else {
            asked.to_string()
        };
        let got = self
            .client
            .send(method, path, &[("content-type", "application/json")], content)
            .await;
        let value = got.json()["value"].clone();
        assert!(got.status.is_success(), "{path}: {value}");
        value
    }

    async fn post(&mut self, command: &str, asked: Value) -> Value {
        let path = format!("/session/{}/{command}", self.session);
        self.command(Method::POST, &path, &asked).await
    }

    /// Opens a page and waits until it is loaded.
    pub async fn open(&mut self, url: &str) {
        self.post("url", json!({ "url": url })).await;
    }

    /// Runs a script's statements in the page; gives back what it returns.
    pub async fn run(&mut self, script: &str, args: Value) -> Value {
        self.post("execute/sync", json!({ "script": script, "args": args }))
            .await
    }

    /// The value of an expression.
    pub async fn eval(&mut self, expression: &str) -> Value {
        self.run(&format!("return {expression}"), json!([])).await
    }

    /// Runs a script that calls its last argument when it is done.
    pub async fn run_async(&mut self, script: &str, args: Value) -> Value {
        self.post("execute/async", json!({ "script": script, "args": args }))
            .await
    }

    /// Waits until an expression is true.
    pub async fn until(&mut self, expression: &str) {
        let end = Instant::now() + PATIENCE;
        while self.eval(&format!("!!({expression})")).await != true {
            if Instant::now() > end {
                let body = self.eval("document.body.innerText").await;
                panic!("never came true: {expression}\n{body}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Presses keys, one after the other, where the focus is.
    pub async fn press(&mut self, keys: &[&str]) {
        let actions: Vec<Value> = keys
            .iter()
            .flat_map(|key| {
                [
                    json!({"type": "keyDown", "value": key}),
                    json!({"type": "keyUp", "value": key}),
                ]
            })
            .collect();
        self.post(
            "actions",
            json!({"actions": [{"type": "key", "id": "keys", "actions": actions}]}),
        )
        .await;
    }

    /// Types a text where the focus is.
    pub async fn type_text(&mut self, text: &str) {
        let keys: Vec<String> = text.chars().map(String::from).collect();
        self.press(&keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }

    /// The middle of what a selector finds, in the window.
    pub async fn middle(&mut self, selector: &str) -> (i64, i64) {
        let script = "const e = document.querySelector(arguments[0]); e.scrollIntoView({block: 'center', behavior: 'instant'}); \
                      const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]";
        let at = self.run(script, json!([selector])).await;
        let round = |v: &Value| v.as_f64().unwrap().round() as i64;
        (round(&at[0]), round(&at[1]))
    }

    async fn pointer(&mut self, actions: Value) {
        let mouse =
            json!({"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": actions});
        self.post("actions", json!({ "actions": [mouse] })).await;
    }

    /// Moves the pointer over what a selector finds.
    pub async fn hover(&mut self, selector: &str) {
        let (x, y) = self.middle(selector).await;
        self.pointer(json!([{"type": "pointerMove", "duration": 0, "x": x, "y": y}]))
            .await;
    }

    /// Clicks it.
    pub async fn click(&mut self, selector: &str) {
        let (x, y) = self.middle(selector).await;
        self.pointer(json!([
            {"type": "pointerMove", "duration": 0, "x": x, "y": y},
            {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}
        ]))
        .await;
    }

    /// Drags it by so many pixels.
    pub async fn drag(&mut self, selector: &str, by: (i64, i64)) {
        let (x, y) = self.middle(selector).await;
        self.pointer(json!([
            {"type": "pointerMove", "duration": 0, "x": x, "y": y},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerMove", "duration": 50, "x": x + by.0 / 2, "y": y + by.1 / 2},
            {"type": "pointerMove", "duration": 50, "x": x + by.0, "y": y + by.1},
            {"type": "pointerUp", "button": 0}
        ]))
        .await;
    }

    /// Sends a command of the DevTools protocol.
    pub async fn devtools(&mut self, command: &str, params: Value) -> Value {
        self.post("goog/cdp/execute", json!({ "cmd": command, "params": params }))
            .await
    }

    /// As the system's settings would: light or dark.
    pub async fn prefer(&mut self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features }))
            .await;
    }

    /// Makes the window as wide as this many CSS pixels: Chromium's own windows cannot be as narrow as a phone.
    pub async fn width(&mut self, width: u32, height: u32) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// What the page did that it should not: messages on its console, and requests to others than `authority`.
    pub async fn complaints(&mut self, authority: &str) -> Vec<String> {
        let mut found = Vec::new();
        for entry in self
            .post("se/log", json!({"type": "browser"}))
            .await
            .as_array()
            .unwrap()
        {
            found.push(entry["message"].to_string());
        }
        for entry in self
            .post("se/log", json!({"type": "performance"}))
            .await
            .as_array()
            .unwrap()
        {
            let event: Value = serde_json::from_str(entry["message"].as_str().unwrap()).unwrap();
            let event = &event["message"];
            if event["method"] != "Network.requestWillBeSent" {
                continue;
            }
            let url = event["params"]["request"]["url"].as_str().unwrap_or_default();
            let own = url.starts_with(&format!("http://{authority}/"))
                || ["data:", "chrome:"].iter().any(|own| url.starts_with(own));
            if !own {
                found.push(format!("a request to {url}"));
            }
        }
        found
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ending the driver does not end its browser: it is asked to, on its own connection.
        let path = format!("/session/{}", self.session);
        let request = format!(
            "DELETE {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.client.authority()
        );
        if let Ok(mut stream) = std::net::TcpStream::connect(self.client.authority()) {
            let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
            let _ = std::io::Write::write_all(&mut stream, request.as_bytes());
            let _ = std::io::Read::read_to_end(&mut stream, &mut Vec::new());
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
