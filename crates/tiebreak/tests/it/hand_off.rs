//! Bot checks that a person passes in a real Chromium, against a wall of our own: a page whose script sets a cookie after a click.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::gateway::Gateway;
use crate::http::{Client, Got};

/// A screen is not needed for a test; the person is at WebDriver.
const HEADLESS: [(&str, &str); 3] = [
    ("TIEBREAK_TEST_HEADLESS", "1"),
    ("TIEBREAK_LOG", "tiebreak=debug"),
    ("NO_COLOR", "1"),
];

/// How long a window may take to open, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// An API behind a wall.
struct Wall {
    authority: String,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    documents: HashMap<String, Bytes>,
    /// Every request, in order.
    requests: Vec<(Method, String, HeaderMap)>,
    /// The writes that got through.
    performed: Vec<(String, HeaderMap)>,
}

impl Wall {
    async fn start() -> Wall {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let served = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let seen = Arc::clone(&served);
                let service = service_fn(move |request| answer(Arc::clone(&seen), request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Wall { authority, seen }
    }

    /// The writes to `path` that got through.
    fn performed(&self, path: &str) -> Vec<HeaderMap> {
        let seen = self.seen.lock().unwrap();
        let there = seen.performed.iter().filter(|(at, _)| at == path);
        there.map(|(_, headers)| headers.clone()).collect()
    }
}

async fn answer(seen: Arc<Mutex<Seen>>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let content = body.collect().await.map(|c| c.to_bytes()).unwrap_or_default();
    let path = head.uri.path().to_owned();
    let mut seen = seen.lock().unwrap();
    seen.requests
        .push((head.method.clone(), path.clone(), head.headers.clone()));
    let holds = |name: &str, what: &str| {
        let value = head.headers.get(name).and_then(|v| v.to_str().ok());
        value.is_some_and(|v| v.contains(what))
    };
    if !holds("cookie", "passed=yes") && !holds("x-partner", "yes") {
        let page = "<!doctype html><title>Just a moment...</title><button onclick=\"document.cookie='passed=yes; path=/; max-age=600'; \
                    location.reload()\">I am here</button>";
        let wall = Response::builder()
            .status(403)
            .header("cf-mitigated", "challenge")
            .header("content-type", "text/html");
        return Ok(wall.body(Full::from(page)).unwrap());
    }
    let api = Response::builder().header("content-type", "application/json");
    Ok(match (head.method, seen.documents.get(&path)) {
        (Method::GET, Some(document)) => api.body(Full::from(document.clone())),
        (Method::GET, None) if path == "/" => api.body(Full::from("{\"api\":1}")),
        // Nothing to show: Chromium shows a page of its own then.
        (Method::GET, None) => api.status(404).body(Full::default()),
        (_, _) => {
            seen.performed.push((path.clone(), head.headers));
            seen.documents.insert(path, content.clone());
            api.header("x-content-length", content.len()).body(Full::from(content))
        }
    }
    .unwrap())
}

/// The person, who has the same window before them as Tiebreak.
struct Person {
    driver: Client,
    session: String,
}

impl Person {
    /// Waits until the gateway has opened a window that shows `url`.
    async fn at(gateway: &mut Gateway, url: &str) -> Person {
        let line = gateway.hear("chromedriver listens").await;
        let port = line
            .split("port=")
            .nth(1)
            .unwrap()
            .split(' ')
            .next()
            .unwrap()
            .to_owned();
        let mut driver = Client::new(format!("127.0.0.1:{port}"));
        let end = Instant::now() + PATIENCE;
        loop {
            let sessions = driver.get("/sessions").await.json();
            if let Some(session) = sessions["value"][0]["id"].as_str() {
                let mut person = Person {
                    driver: Client::new(format!("127.0.0.1:{port}")),
                    session: session.to_owned(),
                };
                if person.eval("location.href").await == *url {
                    return person;
                }
            }
            assert!(Instant::now() < end, "no window: {sessions}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn command(&mut self, method: Method, command: &str, asked: &Value) -> Got {
        let path = format!("/session/{}{command}", self.session);
        let json = [("content-type", "application/json")];
        self.driver.send(method, &path, &json, asked.to_string()).await
    }

    async fn eval(&mut self, expression: &str) -> Value {
        let asked = json!({"script": format!("return {expression}"), "args": []});
        let got = self.command(Method::POST, "/execute/sync", &asked).await;
        got.json()["value"].clone()
    }

    /// Clicks the button, as a mouse would.
    async fn click(&mut self) {
        let asked = json!({"using": "css selector", "value": "button"});
        let found = self.command(Method::POST, "/element", &asked).await.json();
        let element = found["value"]
            .as_object()
            .unwrap_or_else(|| panic!("no button: {found}"));
        let element = element.values().next().unwrap().as_str().unwrap().to_owned();
        let got = self
            .command(Method::POST, &format!("/element/{element}/click"), &json!({}))
            .await;
        assert_eq!(got.status, 200, "{got:?}");
    }
}

/// A gateway before the wall, whose routes allow the hand-off: under `/short/` only for a few seconds.
fn start(wall: &Wall, env: &[(&str, &str)]) -> Gateway {
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "upstream = \"http://{}\"\nledger = \"memory\"\nbrowser_profile = \"profiles\"\n[[route]]\npath = \"/short/{{id}}\"\nhand_off_wait = \"4s\"\n\
         [[route]]\npath = \"/off/{{id}}\"\nhand_off = false\n[defaults]\nhand_off = true\n",
        wall.authority
    );
    std::fs::write(folder.path().join("tiebreak.toml"), config).unwrap();
    Gateway::start_with(folder, &["--config", "tiebreak.toml", "--admin", "127.0.0.1:0"], env)
}

fn put(gateway: &Gateway, path: &'static str, fields: &[(&'static str, &'static str)]) -> tokio::task::JoinHandle<Got> {
    let (mut client, fields) = (Client::new(&gateway.authority), fields.to_vec());
    tokio::spawn(async move { client.put(path, &fields, &json!({"name": "Jürgen"})).await })
}

const ANNA: (&str, &str) = ("authorization", "Bearer anna");
const BEN: (&str, &str) = ("authorization", "Bearer ben");

#[tokio::test(flavor = "multi_thread")]
async fn a_person_passes_the_check_and_the_write_lands_once_from_the_page() {
    let wall = Wall::start().await;
    let mut gateway = start(&wall, &HEADLESS);
    let anna = put(
        &gateway,
        "/things/1",
        &[ANNA, ("if-match", "*"), ("user-agent", "worker/1")],
    );
    let mut person = Person::at(&mut gateway, &format!("http://{}/things/1", wall.authority)).await;

    // The lane is free: a write of somebody whom the wall knows lands meanwhile.
    let ben = put(&gateway, "/things/1", &[BEN, ("x-partner", "yes")]).await.unwrap();
    assert_eq!((ben.status.as_u16(), ben.outcome()), (200, "applied"), "{ben:?}");
    assert!(!anna.is_finished());
    assert_eq!(wall.performed("/things/1").len(), 1);

    person.click().await;
    let got = anna.await.unwrap();
    assert_eq!((got.status.as_u16(), got.outcome()), (200, "applied"), "{got:?}");
    assert!(got.field("tiebreak").contains("attempts=2"), "{got:?}");
    assert_eq!(got.json(), json!({"name": "Jürgen"}));
    let performed = wall.performed("/things/1");
    assert_eq!(performed.len(), 2);
    let from_page = &performed[1];
    assert_eq!(from_page["authorization"], "Bearer anna");
    assert_eq!(from_page["if-match"], "*");
    assert_eq!(from_page["cookie"], "passed=yes");
    // The browser says itself what it is, and whence the request comes.
    assert_eq!(from_page["sec-fetch-site"], "same-origin");
    assert_eq!(from_page["origin"], format!("http://{}", wall.authority));
    assert!(
        from_page["user-agent"].to_str().unwrap().contains("Chrome"),
        "{from_page:?}"
    );
    // No cookie left it.
    for (method, path, headers) in &wall.seen.lock().unwrap().requests {
        let by_browser = headers.contains_key("sec-fetch-mode");
        assert!(
            by_browser || !headers.contains_key("cookie"),
            "{method} {path}: {headers:?}"
        );
    }

    let id = got.field("tiebreak").split("id=\"").nth(1).unwrap()[..32].to_owned();
    let mut console = Client::new(gateway.admin.clone().unwrap());
    let story = console.get(&format!("/api/stories/{id}")).await.json();
    let whats: Vec<&str> = story["events"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|e| e["what"].as_str())
        .collect();
    let at = |what: &str| {
        whats
            .iter()
            .position(|w| *w == what)
            .unwrap_or_else(|| panic!("no {what}: {whats:?}"))
    };
    assert!(at("handing-off") < at("handed-off"), "{whats:?}");
    assert_eq!(whats[at("handed-off") + 1], "queued", "{whats:?}");

    // The same caller's profile has passed; another's has not, and a check that nobody passes in time ends the write.
    let again = put(&gateway, "/things/2", &[ANNA]).await.unwrap();
    assert_eq!((again.status.as_u16(), again.outcome()), (200, "applied"), "{again:?}");
    let other = put(&gateway, "/short/1", &[BEN]).await.unwrap();
    assert_eq!((other.status.as_u16(), other.outcome()), (403, "refused"), "{other:?}");
    let problem = other.json();
    assert_eq!(problem["type"], "https://tiebreak.dev/problems/blocked");
    assert_eq!(problem["hand_off"], "elapsed");
    assert!(problem["check"].as_str().unwrap().contains("Cloudflare"), "{problem}");
    assert_eq!(wall.performed("/short/1").len(), 0);
    // Its windows close with it.
    assert!(gateway.stop().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_is_closed_ends_the_write_and_stopping_closes_windows() {
    let wall = Wall::start().await;
    let mut gateway = start(&wall, &HEADLESS);
    let closed = put(&gateway, "/things/1", &[ANNA]);
    let mut person = Person::at(&mut gateway, &format!("http://{}/things/1", wall.authority)).await;
    person.command(Method::DELETE, "/window", &json!({})).await;
    let got = closed.await.unwrap();
    assert_eq!((got.status.as_u16(), got.outcome()), (403, "refused"), "{got:?}");
    assert_eq!(got.json()["hand_off"], "refused");
    // A client that repeats at once opens no other window.
    let again = put(&gateway, "/things/1", &[ANNA]).await.unwrap().json();
    assert_eq!(again["hand_off"], "unavailable", "{again}");
    assert!(
        again["detail"]
            .as_str()
            .unwrap()
            .contains("was closed less than a minute ago"),
        "{again}"
    );

    // What the route does not allow is the origin's own answer.
    let off = put(&gateway, "/off/1", &[ANNA]).await.unwrap();
    assert_eq!((off.status.as_u16(), off.field("cf-mitigated")), (403, "challenge"));

    let waiting = put(&gateway, "/things/2", &[BEN]);
    let person = Person::at(&mut gateway, &format!("http://{}/things/2", wall.authority)).await;
    let driver = person.driver.authority().to_owned();
    assert!(gateway.stop().success());
    let got = waiting.await.unwrap();
    assert_eq!(got.json()["hand_off"], "unavailable", "{got:?}");
    assert!(
        std::net::TcpStream::connect(&driver).is_err(),
        "the browser's driver still runs"
    );
    assert_eq!(wall.performed("/things/1").len() + wall.performed("/things/2").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_screen_and_for_cookies_the_write_ends_with_a_clear_message() {
    let wall = Wall::start().await;
    let gateway = start(&wall, &[("DISPLAY", ""), ("WAYLAND_DISPLAY", "")]);
    for (field, says) in [
        (ANNA, "this machine has no screen"),
        (("cookie", "a=b"), "no cookie is moved"),
    ] {
        let got = put(&gateway, "/things/1", &[field]).await.unwrap();
        assert_eq!((got.status.as_u16(), got.outcome()), (403, "refused"), "{got:?}");
        let problem = got.json();
        assert_eq!(problem["hand_off"], "unavailable");
        assert_eq!(problem["target"], format!("http://{}/things/1", wall.authority));
        assert!(problem["detail"].as_str().unwrap().contains(says), "{problem}");
    }
    assert_eq!(wall.performed("/things/1").len(), 0);
}
