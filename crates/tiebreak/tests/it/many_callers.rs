//! 64 callers edit their own fields of the same 20 documents, with plain GET and PUT and no condition at all: no edit is lost.
//!
//! `TIEBREAK_EDITS` sets how many edits each caller makes.

use std::sync::Mutex;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::Method;
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

use crate::gateway::Gateway;
use crate::http::Client;
use crate::peer::Peer;
use crate::scripted::{Scripted, Tags};
use crate::shared::{Shuffle, join};

const CALLERS: usize = 64;
const DOCUMENTS: usize = 20;

/// How the callers come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Credentials {
    /// Each has its own, and a connection.
    Own,
    /// All have the same, and each a connection.
    Shared,
    /// All have the same, and use any of a few connections for each request.
    Pooled,
}

const ALL: [Credentials; 3] = [Credentials::Own, Credentials::Shared, Credentials::Pooled];

/// Where the documents are, and what an edit of one is.
struct Documents {
    folder: &'static str,
    /// The member below which the fields are.
    below: Option<&'static str>,
    /// Whether the origin puts something into each version that is never the same twice: then it says what was read.
    versioned: bool,
}

impl Documents {
    fn fields<'d>(&self, document: &'d mut Value) -> &'d mut Value {
        match self.below {
            Some(member) => &mut document[member],
            None => document,
        }
    }

    fn path(&self, n: usize) -> String {
        format!("{}/d{n}", self.folder)
    }

    async fn plant(&self, authority: &str, who: &str) {
        let mut direct = Client::new(authority).with("authorization", who);
        let fields: Map<String, Value> = (0..CALLERS).map(|f| (format!("f{f}"), json!(0))).collect();
        for n in 0..DOCUMENTS {
            let document = match self.below {
                Some(member) => json!({ member: fields }),
                None => json!(fields),
            };
            let made = direct.put(&self.path(n), &[], &document).await;
            assert!(made.status.is_success(), "{made:?}");
        }
    }
}

/// The credential of somebody, as of RFC 7617.
fn basic(who: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{who}:pw")))
}

/// Connections that whoever needs one takes.
struct Pool {
    free: Semaphore,
    clients: Mutex<Vec<Client>>,
}

impl Pool {
    fn new(clients: Vec<Client>) -> Pool {
        Pool {
            free: Semaphore::new(clients.len()),
            clients: Mutex::new(clients),
        }
    }

    /// Any connection: the one that was given back longest ago, so that a caller seldom gets the same twice.
    async fn send(&self, method: Method, path: &str, content: String) -> crate::http::Got {
        let _place = self.free.acquire().await.unwrap();
        let mut client = self.clients.lock().unwrap().remove(0);
        let kind = [("content-type", "application/json")];
        let got = client.send(method, path, &kind, content).await;
        self.clients.lock().unwrap().push(client);
        got
    }
}

/// What each caller was told that its field holds in each document.
type Told = Vec<[usize; DOCUMENTS]>;

/// Lets all edit, and compares what is there in the end with what they were told.
async fn run(gateway: &str, credentials: Credentials, documents: &Documents, edits: usize, told: &mut Told) {
    let client = |who: &str| Client::new(gateway).with("authorization", &basic(who));
    let pools: Vec<Pool> = match credentials {
        Credentials::Own => (0..CALLERS)
            .map(|n| Pool::new(vec![client(&format!("caller{n}"))]))
            .collect(),
        Credentials::Shared => (0..CALLERS).map(|_| Pool::new(vec![client("shared")])).collect(),
        Credentials::Pooled => vec![Pool::new((0..16).map(|_| client("pooled")).collect())],
    };
    let refused = Mutex::new(0usize);
    let (pools, refused_) = (&pools, &refused);
    join(told.iter_mut().enumerate().map(|(caller, told)| async move {
        let pool = &pools[caller % pools.len()];
        let mut order: Vec<usize> = (0..DOCUMENTS).collect();
        Shuffle::new((credentials as usize * CALLERS + caller) as u64).apply(&mut order);
        for (nth, at) in order.into_iter().cycle().take(edits).enumerate() {
            let path = documents.path(at);
            let mut document = pool.send(Method::GET, &path, String::new()).await.json();
            // A value that was never there, so that what is there in the end says which edit it is.
            let value = (credentials as usize + 1) * 1_000_000 + nth;
            documents.fields(&mut document)[format!("f{caller}")] = json!(value);
            let got = pool.send(Method::PUT, &path, document.to_string()).await;
            if got.status.is_success() {
                told[at] = value;
            } else {
                // Plainly refused: it says so, and why.
                let may_be_refused = credentials == Credentials::Pooled && !documents.versioned;
                assert!(may_be_refused, "{credentials:?}, caller {caller}: {got:?}");
                assert_eq!(got.status, 409, "{got:?}");
                assert!(["refused", "not-sent"].contains(&got.outcome()), "{got:?}");
                *refused_.lock().unwrap() += 1;
            }
        }
    }))
    .await;
    let mut reader = client("shared");
    for at in 0..DOCUMENTS {
        let mut document = reader.get(&documents.path(at)).await.json();
        let fields = documents.fields(&mut document);
        for (caller, told) in told.iter().enumerate() {
            let there = &fields[format!("f{caller}")];
            assert_eq!(
                there,
                &json!(told[at]),
                "{credentials:?}, document {at}, caller {caller}"
            );
        }
    }
    let (all, refused) = (CALLERS * edits, *refused.lock().unwrap());
    eprintln!("{credentials:?}: {all} edits, {refused} refused, none lost");
    // The first to write to a document has but one version to have read.
    assert!(refused < all, "{credentials:?}: nobody got through");
}

async fn all(gateway: &Gateway, documents: &Documents, edits: usize) {
    let edits = std::env::var("TIEBREAK_EDITS").map_or(edits, |n| n.parse().unwrap());
    eprintln!("{CALLERS} callers, {DOCUMENTS} documents, {edits} edits by each (TIEBREAK_EDITS)");
    let mut told = vec![[0; DOCUMENTS]; CALLERS];
    for credentials in ALL {
        run(&gateway.authority, credentials, documents, edits, &mut told).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_embedded_origin() {
    let gateway = Gateway::start(&["--ledger", "memory", "--data", "memory"]);
    let documents = Documents {
        folder: "/docs",
        below: None,
        versioned: false,
    };
    documents.plant(&gateway.authority, "planter").await;
    all(&gateway, &documents, 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_kinto() {
    let kinto = Peer::start("kinto");
    let who = basic("shared");
    let mut direct = Client::new(&kinto.authority).with("authorization", &who);
    let open = json!({"permissions": {"write": ["system.Authenticated"]}});
    assert_eq!(direct.put("/v1/buckets/many", &[], &open).await.status, 201);
    assert_eq!(
        direct
            .put("/v1/buckets/many/collections/c", &[], &json!({}))
            .await
            .status,
        201
    );
    let documents = Documents {
        folder: "/v1/buckets/many/collections/c/records",
        below: Some("data"),
        versioned: true,
    };
    documents.plant(&kinto.authority, &who).await;
    let upstream = format!("http://{}", kinto.authority);
    let gateway = Gateway::start(&["--ledger", "memory", "--upstream", &upstream]);
    all(&gateway, &documents, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_server_without_entity_tags() {
    let origin = Scripted::start(Tags::None, false).await;
    let documents = Documents {
        folder: "/docs",
        below: None,
        versioned: false,
    };
    documents.plant(&origin.authority, "planter").await;
    let upstream = format!("http://{}", origin.authority);
    let gateway = Gateway::start(&["--ledger", "memory", "--upstream", &upstream]);
    all(&gateway, &documents, 10).await;
}

/// With `mark_reads` each document names its version: over a pool of connections with one credential none is refused either.
#[tokio::test(flavor = "multi_thread")]
async fn at_a_server_without_entity_tags_whose_reads_are_marked() {
    let origin = Scripted::start(Tags::None, false).await;
    let documents = Documents {
        folder: "/docs",
        below: None,
        versioned: true,
    };
    documents.plant(&origin.authority, "planter").await;
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "upstream = \"http://{}\"\nledger = \"memory\"\n[defaults]\nmark_reads = \"_tiebreak\"\n",
        origin.authority
    );
    std::fs::write(folder.path().join("t.toml"), config).unwrap();
    let gateway = Gateway::start_in(folder, &["--config", "t.toml"]);
    all(&gateway, &documents, 10).await;
}
