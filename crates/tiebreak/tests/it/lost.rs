//! Lost answers, over real sockets: never performed twice, never a false answer, and in doubt only where nothing can tell.
//!
//! `TIEBREAK_LOST` sets how many writes there are of each kind.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Method;
use serde_json::json;
use tokio::task::JoinSet;

use crate::gateway::Gateway;
use crate::http::{Client, Got};
use crate::scripted::{Fault, Scripted, Tags};

const FAULTS: [Fault; 5] = [
    Fault::LostAnswer,
    Fault::Late(Duration::from_millis(400)),
    Fault::Late(Duration::from_millis(1500)),
    Fault::Unavailable,
    Fault::Dropped,
];

const METHODS: [Method; 4] = [Method::PUT, Method::PATCH, Method::DELETE, Method::POST];

/// At most so many writes at a time.
const AT_ONCE: usize = 400;

/// What a write says of the version that it was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Base {
    /// It names it, where there are entity tags.
    Named,
    /// Nothing, but its caller has read it.
    Read,
    /// Nothing, and nobody read it: whatever is there is overwritten.
    Unread,
}

/// One write whose first attempt goes wrong.
#[derive(Debug, Clone)]
struct Case {
    method: Method,
    fault: Fault,
    base: Base,
    key: bool,
    name: String,
}

impl Case {
    /// Each kind, `count` times.
    fn all(count: usize) -> Vec<Case> {
        let mut all = Vec::new();
        for method in METHODS {
            for fault in FAULTS {
                for base in [Base::Named, Base::Read, Base::Unread] {
                    // There is nothing to read before a POST.
                    for key in [true, false] {
                        if method != Method::POST || base == Base::Unread {
                            all.extend((0..count).map(|_| (method.clone(), fault, base, key)));
                        }
                    }
                }
            }
        }
        let cases = all.into_iter().enumerate();
        cases
            .map(|(n, (method, fault, base, key))| Case {
                method,
                fault,
                base,
                key,
                name: format!("w{n}"),
            })
            .collect()
    }

    /// What its caller must be told: applied wherever there is a way to know, or to make it so.
    fn expected(&self, tags: Tags, honours_keys: bool) -> &'static str {
        let guarded = self.base == Base::Named && tags != Tags::None;
        let blind = self.method == Method::POST || self.base == Base::Unread;
        // What never arrived goes again only under a version that never recurs. A plain DELETE names none, but what still
        // stands at the version that its caller read is removed under that.
        let dropped = self.fault == Fault::Dropped;
        if honours_keys {
            "applied"
        } else if blind || dropped && tags != Tags::Versions {
            "in-doubt"
        } else if self.method == Method::DELETE && !guarded && !dropped {
            // It is gone, as was asked; without `If-Match`, that may be another's doing.
            "adopted"
        } else {
            "applied"
        }
    }
}

/// What its caller was told, and what to its repeat.
struct Told {
    case: Case,
    first: Got,
    again: Option<Got>,
}

async fn one(worker: &mut Client, origin: &Scripted, case: Case) -> Told {
    let name = case.name.as_str();
    let path = format!("/things/{name}");
    let key = format!("\"key-of-{name}\"");
    let fault = case.fault.word();
    let mut fields = vec![("x-write", name), ("x-fault", &fault)];
    if case.key {
        fields.push(("idempotency-key", &key));
    }
    let mut tag = String::new();
    if case.method != Method::POST {
        origin.plant(&path, json!({"n": 1, "other": "o"}));
        if case.base != Base::Unread {
            tag = worker.get(&path).await.field("etag").to_owned();
        }
    }
    if case.base == Base::Named && !tag.is_empty() {
        fields.push(("if-match", &tag));
    }
    fields.push(match case.method {
        Method::PATCH => ("content-type", "application/merge-patch+json"),
        _ => ("content-type", "application/json"),
    });
    let content = match case.method {
        Method::DELETE => String::new(),
        Method::PATCH => json!({ "n": 2 }).to_string(),
        _ => json!({"n": 2, "other": "o", "name": name}).to_string(),
    };
    let first = worker.send(case.method.clone(), &path, &fields, content.clone()).await;
    // With a key it is the same write, and without one it is as long as the doubt is open.
    let again = if case.key || first.outcome() == "in-doubt" {
        Some(worker.send(case.method.clone(), &path, &fields, content).await)
    } else {
        None
    };
    Told { case, first, again }
}

async fn judge(told: &Told, origin: &Scripted, expected: &str) {
    let Told { case, first, again } = told;
    let performed = origin.performed(&case.name).await;
    let said = format!("{case:?}, performed {performed} times, told {first:?}, and then {again:?}");
    assert!(performed <= 1, "performed twice: {said}");
    for got in [Some(first), again.as_ref()].into_iter().flatten() {
        match got.outcome() {
            "applied" | "adopted" => assert_eq!(performed, 1, "a false success: {said}"),
            "refused" | "not-sent" => assert_eq!(performed, 0, "a false failure: {said}"),
            "in-doubt" => {
                assert_eq!(got.status, 504, "{said}");
                assert!(!got.headers.contains_key("retry-after"), "{said}");
            }
            other => panic!("outcome {other}: {said}"),
        }
    }
    assert_eq!(first.outcome(), expected, "{said}");
    if let ("applied" | "adopted", Some(again)) = (expected, again) {
        assert_eq!(again.field("idempotency-replayed"), "true", "{said}");
        assert_eq!(again.status, first.status, "{said}");
    }
}

async fn run(origin: Scripted, tags: Tags, honours_keys: bool) {
    let upstream = format!("http://{}", origin.authority);
    let mut args = vec!["--upstream", &upstream, "--ledger", "memory", "--late-after", "4"];
    if honours_keys {
        args.push("--honours-keys");
    }
    let gateway = Gateway::start(&args);
    let count = std::env::var("TIEBREAK_LOST").map_or(1, |n| n.parse().unwrap());
    let cases = Case::all(count);
    eprintln!("{} writes, {count} of each kind (TIEBREAK_LOST)", cases.len());
    let origin = Arc::new(origin);
    let workers = cases.len().min(AT_ONCE);
    let cases = Arc::new(Mutex::new(cases));
    let mut running = JoinSet::new();
    for _ in 0..workers {
        let (origin, cases, mut client) = (Arc::clone(&origin), Arc::clone(&cases), Client::new(&gateway.authority));
        running.spawn(async move {
            let mut told = Vec::new();
            loop {
                let next = cases.lock().unwrap().pop();
                let Some(case) = next else { break told };
                told.push(one(&mut client, &origin, case).await);
            }
        });
    }
    let told: Vec<Told> = running.join_all().await.into_iter().flatten().collect();
    let mut figures: BTreeMap<(String, &str), usize> = BTreeMap::new();
    for told in &told {
        let expected = told.case.expected(tags, honours_keys);
        *figures.entry((told.case.method.to_string(), expected)).or_default() += 1;
        judge(told, &origin, expected).await;
    }
    eprintln!("{tags:?}, honours keys: {honours_keys}: {figures:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn at_an_origin_with_version_tags() {
    run(Scripted::start(Tags::Versions, false).await, Tags::Versions, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_an_origin_with_digest_tags() {
    run(Scripted::start(Tags::Digests, false).await, Tags::Digests, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_an_origin_without_tags() {
    run(Scripted::start(Tags::None, false).await, Tags::None, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_an_origin_that_normalises_what_it_stores() {
    run(Scripted::start(Tags::Versions, true).await, Tags::Versions, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_an_origin_that_honours_keys() {
    run(Scripted::start_honouring_keys().await, Tags::None, true).await;
}
