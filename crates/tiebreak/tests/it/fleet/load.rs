//! Callers of a fleet that go on until each write has its last word, and what they saw.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use super::*;

/// What came of the writes, as their callers saw it.
#[derive(Default)]
pub(super) struct Seen {
    /// For each document and worker: the last value that was acknowledged, and the last that may have been applied.
    pub(super) edits: HashMap<(usize, usize), (u64, u64)>,
    pub(super) created: HashSet<usize>,
    pub(super) applied: usize,
    pub(super) in_doubt: usize,
    pub(super) not_answered: usize,
}

/// A caller that turns to the next gateway when the one it uses does not answer.
pub(super) struct Caller<'a> {
    gateways: &'a [String],
    at: usize,
    client: Client,
}

impl<'a> Caller<'a> {
    pub(super) fn new(gateways: &'a [String], at: usize) -> Caller<'a> {
        let client = Client::new(&gateways[at % gateways.len()]);
        Caller { gateways, at, client }
    }

    pub(super) async fn send(
        &mut self,
        method: Method,
        path: &str,
        fields: &[(&str, &str)],
        content: String,
    ) -> Option<Got> {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(fields);
        let sending = self.client.try_send(method, path, &all, content);
        let got = tokio::time::timeout(Duration::from_secs(12), sending)
            .await
            .ok()
            .flatten();
        if got.is_none() {
            self.at += 1;
            self.client = Client::new(&self.gateways[self.at % self.gateways.len()]);
        }
        got
    }
}

/// Creates with a key, again with the same key until it is answered.
pub(super) async fn create(caller: &mut Caller<'_>, n: usize, seen: &Mutex<Seen>) {
    let key = format!("8e03978e-40d5-43dd-bc93-6894{n:08}");
    let name = format!("create-{n}");
    loop {
        let fields = [("idempotency-key", key.as_str()), ("x-write", name.as_str())];
        let got = caller
            .send(Method::POST, "/spread", &fields, json!({ "n": n }).to_string())
            .await;
        if note_creation(&mut seen.lock().unwrap(), n, got) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Whether that was the last word.
fn note_creation(seen: &mut Seen, n: usize, got: Option<Got>) -> bool {
    let Some(got) = got else {
        seen.not_answered += 1;
        return false;
    };
    match (got.status.as_u16(), got.outcome()) {
        (201, "applied") => {
            seen.created.insert(n);
            seen.applied += 1;
            true
        }
        (504, "in-doubt") => {
            seen.in_doubt += 1;
            true
        }
        (503, "not-sent") | (409, _) => false,
        _ => panic!("{got:?}"),
    }
}

/// Posts, again with the same key until it is answered, and looks after each answer whether it tells the truth.
pub(super) async fn post_until_answered(gateway: &str, origin: &Scripted, key: &str, name: &str) {
    loop {
        let got = post(gateway, key, name, None).await;
        let performed = origin.performed(name).await;
        match (got.status.as_u16(), got.outcome()) {
            (201, "applied") => assert_eq!(performed, 1, "{got:?}"),
            (503, "not-sent") => {
                assert_eq!(performed, 0, "{got:?}");
                assert!(!got.field("retry-after").is_empty(), "{got:?}");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
            (504, "in-doubt") => assert!(performed <= 1, "{got:?}"),
            (409, _) if got.json()["type"].as_str().unwrap().ends_with("in-progress") => continue,
            _ => panic!("{got:?}"),
        }
        return;
    }
}
