//! The general reading: what HTTP itself says by status, method and preconditions, with the words beside them.

use http::Method;

use crate::judge::body::name::hash;
use crate::judge::body::{Form, HEAD, Value, has};
use crate::judge::view::View;
use crate::judge::wording::{Said, excerpt};
use crate::remedy::Remedy;
use crate::verdict::{Class, Confidence, Evidence, Verdict};

/// A phrase is specific below this rank.
const SPECIFIC: u8 = 40;

/// Reads an answer that no pack and no standard form explained.
pub(crate) fn read(view: &View<'_, '_>, said: Option<Said>) -> Verdict {
    let status = view.status;
    let said = said.map(|s| by_method(view, s));
    if let Some(said) = said.as_ref().filter(|s| s.key && (400..600).contains(&status)) {
        return spoken(view, said);
    }
    match status {
        0 => said.map_or_else(|| unclear(view), |s| spoken(view, &s)),
        100..=299 => success(view, said),
        300..=399 => plain(view, Class::Other, Remedy::Stop, Confidence::High, "a redirection"),
        409 => conflict(view, said),
        412 => precondition(view, said),
        423 => match said {
            Some(said) if said.rank < 60 && said.class != Class::Stale => spoken(view, &said),
            _ => plain(
                view,
                Class::Race,
                Remedy::Wait,
                Confidence::Medium,
                "locked (RFC 4918 §11.3)",
            ),
        },
        425 => plain(
            view,
            Class::Other,
            Remedy::Wait,
            Confidence::Medium,
            "too early (RFC 8470)",
        ),
        428 => plain(
            view,
            Class::Invalid,
            Remedy::Stop,
            Confidence::High,
            "a precondition is required (RFC 6585 §3)",
        ),
        429 => match said {
            Some(said) if said.class == Class::Race && said.rank < SPECIFIC => spoken(view, &said),
            _ => plain(
                view,
                Class::Other,
                Remedy::Wait,
                Confidence::High,
                "too many requests (RFC 6585 §4)",
            ),
        },
        401 | 402 | 407 | 451 => plain(view, Class::Other, Remedy::Stop, Confidence::High, "access was refused"),
        403 => match said {
            Some(said) if said.rank < SPECIFIC && matches!(said.class, Class::Duplicate | Class::Stale) => {
                spoken(view, &said)
            }
            _ => plain(
                view,
                Class::Other,
                Remedy::Stop,
                Confidence::Medium,
                "access was refused",
            ),
        },
        404 | 410 if !view.demand.safe => plain(
            view,
            Class::State,
            Remedy::Stop,
            Confidence::Medium,
            "there is nothing (any more) to write to",
        ),
        404 | 410 => plain(
            view,
            Class::Other,
            Remedy::Stop,
            Confidence::High,
            "there is no such resource",
        ),
        // RFC 4918 §9.3.1: MKCOL on an existing resource.
        405 if view.asked.method.as_str() == "MKCOL" => plain(
            view,
            Class::Duplicate,
            Remedy::Stop,
            Confidence::High,
            "MKCOL where something exists (RFC 4918 §9.3.1)",
        ),
        405 => match said {
            Some(said) if said.rank < SPECIFIC => spoken(view, &said),
            _ => plain(
                view,
                Class::Other,
                Remedy::Stop,
                Confidence::High,
                "the method is not allowed",
            ),
        },
        400 | 417 | 422 => match said {
            Some(said) if said.rank < 50 && said.class != Class::Other => spoken(view, &said),
            Some(said) if said.class == Class::Invalid => spoken(view, &said),
            _ => plain(
                view,
                Class::Invalid,
                Remedy::Stop,
                Confidence::Medium,
                "the request was not accepted",
            ),
        },
        424 => plain(
            view,
            Class::State,
            Remedy::Stop,
            Confidence::Medium,
            "another write that it depends on failed",
        ),
        408 => plain(
            view,
            Class::Other,
            Remedy::Stop,
            Confidence::Medium,
            "the origin stopped waiting for the request",
        ),
        406 | 411 | 413..=416 | 431 => plain(
            view,
            Class::Invalid,
            Remedy::Stop,
            Confidence::High,
            "the request does not fit",
        ),
        500..=599 => failure(view, said),
        _ => match said {
            Some(said) if said.rank < SPECIFIC => spoken(view, &said),
            _ => plain(view, Class::Other, Remedy::Stop, Confidence::Low, "not a conflict"),
        },
    }
}

fn plain(view: &View<'_, '_>, class: Class, remedy: Remedy, confidence: Confidence, signal: &'static str) -> Verdict {
    Verdict::new(
        class,
        remedy,
        confidence,
        Evidence {
            signal: signal.into(),
            place: "status".into(),
            excerpt: view.status.to_string(),
        },
    )
}

fn unclear(view: &View<'_, '_>) -> Verdict {
    plain(
        view,
        Class::Unclear,
        Remedy::Stop,
        Confidence::Low,
        "nothing tells what this means",
    )
}

/// The verdict that the words give, with the remedy that their strength allows.
fn spoken(view: &View<'_, '_>, said: &Said) -> Verdict {
    let sure = said.confidence;
    let creates = !view.demand.safe && *view.asked.method != Method::DELETE;
    let remedy = match said.class {
        Class::Duplicate if sure == Confidence::High && creates && !said.foreign => Remedy::Adopt,
        // Without a version of its own a write cannot be rebased, whatever the words say.
        Class::Stale if view.demand.whole && !view.demand.versioned => Remedy::Stop,
        // A POST edits nothing at its target by itself: "has been changed" alone may be said of anything.
        Class::Stale if *view.asked.method == Method::POST && sure < Confidence::High && !of_versions(said) => {
            Remedy::Stop
        }
        Class::Stale if sure >= Confidence::Medium && !view.demand.safe => Remedy::Rebase,
        Class::Race | Class::InProgress if sure >= Confidence::Medium || view.status == 423 => Remedy::Wait,
        Class::Other if matches!(view.status, 425 | 429 | 502..=504) => Remedy::Wait,
        _ => Remedy::Stop,
    };
    Verdict::new(said.class, remedy, sure, said.evidence.clone())
}

/// Whether the words speak of versions.
fn of_versions(said: &Said) -> bool {
    [
        "version",
        "etag",
        "revision",
        "stale",
        "outdated",
        "lock",
        "index",
        "out of date",
        "changed by",
        "modified by",
        "updated by",
    ]
    .iter()
    .any(|word| has(&said.evidence.excerpt, word))
}

/// What the method and the preconditions make of the words.
fn by_method(view: &View<'_, '_>, mut said: Said) -> Said {
    let demand = &view.demand;
    if said.key {
        return said;
    }
    match said.class {
        // Nothing can be a duplicate when it is deleted: what "is already in use" keeps it from going.
        Class::Duplicate if *view.asked.method == Method::DELETE => said.class = Class::State,
        // Created only if absent: whatever is "modified", it exists.
        Class::Stale if demand.absent.is_some() && demand.version.is_none() => {
            said.class = Class::Duplicate;
            said.foreign = true;
        }
        // A write that creates below its target names no version of it; weak words do not make it stale.
        Class::Stale if said.rank >= SPECIFIC && *view.asked.method == Method::POST && demand.version.is_none() => {
            said.confidence = Confidence::Low;
        }
        Class::Duplicate | Class::Race if said.rank >= SPECIFIC && view.status == 412 && demand.version.is_some() => {
            said.class = Class::Stale;
        }
        _ => {}
    }
    said
}

/// Whether a success says in its content that it is none: `"ok": false`, `"success": false`, an error of JSON-RPC 2.0 §5.1.
pub(crate) fn is_denied(view: &View<'_, '_>) -> bool {
    let has = |name: &str| view.names.may_have(hash(name.as_bytes()));
    let no = |name: &str| has(name) && view.tree.scalar(0, name) == Some("false");
    let rpc = || has("jsonrpc") && view.tree.member(0, "jsonrpc").is_some() && view.tree.member(0, "error").is_some();
    (200..300).contains(&view.status) && (no("ok") || no("success") || rpc())
}

fn success(view: &View<'_, '_>, said: Option<Said>) -> Verdict {
    for name in [
        "idempotent-replayed",
        "idempotency-replayed",
        "x-idempotent-replayed",
        "x-idempotency-replayed",
        "x-idempotent-replay",
        "idempotency-replay",
    ] {
        if let Some(value) = view.field(name).filter(|v| !v.eq_ignore_ascii_case("false")) {
            return Verdict::new(
                Class::Duplicate,
                Remedy::Stop,
                Confidence::High,
                Evidence {
                    signal: "the origin repeated its answer to the first request with this key".into(),
                    place: format!("header {name}").into(),
                    excerpt: excerpt(value),
                },
            );
        }
    }
    if let Some(said) = said.filter(|s| s.rank < SPECIFIC) {
        // The status says that it went through: nothing may be done on the strength of the words alone.
        let sure = said.confidence.min(Confidence::Medium);
        return Verdict::new(said.class, Remedy::Stop, sure, said.evidence);
    }
    plain(view, Class::Other, Remedy::Stop, Confidence::High, "success")
}

/// The member that names the version that stands now, if the answer has one.
fn named_version(view: &View<'_, '_>) -> Option<Evidence> {
    let tree = view.tree;
    tree.nodes.iter().enumerate().take(HEAD).find_map(|(at, node)| {
        let name = node.name()?;
        let (before, after) = ["current", "expected", "actual", "latest", "server", "stored"]
            .into_iter()
            .find_map(|w| {
                name.get(..w.len())
                    .filter(|n| n.eq_ignore_ascii_case(w))
                    .map(|n| (n, &name[w.len()..]))
            })?;
        let about = [
            "version",
            "etag",
            "revision",
            "rev",
            "hash",
            "checksum",
            "sequence",
            "generation",
        ];
        let told = !before.is_empty() && about.iter().any(|w| has(after, w));
        let value = node.value.scalar().filter(|_| told)?;
        (!matches!(node.value, Value::Null)).then(|| Evidence {
            signal: "the answer names the version that stands now".into(),
            place: format!("body {}", tree.path(at)).into(),
            excerpt: excerpt(value),
        })
    })
}

/// Verbs that end the path of an action on a resource.
const VERBS: [&str; 44] = [
    "accept",
    "activate",
    "approve",
    "archive",
    "assign",
    "cancel",
    "capture",
    "checkout",
    "claim",
    "close",
    "complete",
    "confirm",
    "deactivate",
    "decline",
    "disable",
    "dispatch",
    "enable",
    "execute",
    "finalize",
    "finish",
    "join",
    "leave",
    "lock",
    "merge",
    "open",
    "pause",
    "pay",
    "publish",
    "refund",
    "reject",
    "release",
    "reopen",
    "restore",
    "resume",
    "revoke",
    "rollback",
    "run",
    "ship",
    "start",
    "stop",
    "submit",
    "suspend",
    "unlock",
    "void",
];

/// Whether a path names an action on a resource: `/orders/7/cancel`, `/v1/jobs/7:run`.
fn is_action(path: &str) -> bool {
    let path = path.split('?').next().unwrap_or(path).trim_end_matches('/');
    let last = path.rsplit(['/', ':']).next().unwrap_or(path);
    VERBS.contains(&last)
}

/// Whether the answer says something in words beyond the name of its status.
fn speaks(view: &View<'_, '_>) -> bool {
    view.tree.nodes.iter().take(HEAD).any(|node| {
        let told = matches!(
            node.name(),
            Some("message" | "msg" | "detail" | "error" | "description" | "reason" | "error_description")
        );
        let coded = matches!(
            node.name(),
            Some("code" | "error_code" | "errorCode" | "reason" | "type" | "error")
        );
        match &node.value {
            Value::Text(text) if told && text.trim().contains(' ') => !has(text, "conflict"),
            Value::Text(text) if coded => {
                text.contains('_')
                    && !["conflict", "://", "error", "invalid"]
                        .iter()
                        .any(|word| has(text, word))
            }
            _ => false,
        }
    })
}

/// A page that a web server writes by itself: it repeats the status and says nothing.
fn is_bare_page(view: &View<'_, '_>) -> bool {
    if view.form != Form::Html {
        return false;
    }
    let text = view.tree.scalar(0, "text").unwrap_or("");
    text.len() < 80 || has(text, "the server encountered an internal error or misconfiguration")
}

fn conflict(view: &View<'_, '_>, said: Option<Said>) -> Verdict {
    let demand = &view.demand;
    let method = view.asked.method.as_str();
    if let Some(said) = said.as_ref().filter(|s| s.rank < SPECIFIC) {
        return spoken(view, said);
    }
    // RFC 4918: 409 to these means that the parent collection is missing.
    if matches!(method, "MKCOL" | "MOVE" | "COPY" | "LOCK") {
        let signal = "the parent collection is missing (RFC 4918 §9)";
        return plain(view, Class::State, Remedy::Stop, Confidence::High, signal);
    }
    if demand.absent.is_some() && demand.version.is_none() {
        return asked_for(view, Class::Duplicate, Remedy::Stop, Confidence::Medium);
    }
    if let Some(evidence) = named_version(view) {
        return Verdict::new(Class::Stale, Remedy::Rebase, Confidence::Medium, evidence);
    }
    if matches!(demand.version, Some("if-match" | "if-unmodified-since")) {
        return asked_for(view, Class::Stale, Remedy::Rebase, Confidence::Medium);
    }
    if let Some(said) = &said {
        return spoken(view, said);
    }
    if view.field("x-inertia-location").is_some() {
        let signal = "Inertia asks for a full visit of another page";
        return plain(view, Class::Other, Remedy::Stop, Confidence::High, signal);
    }
    let low = |class, signal| plain(view, class, Remedy::Stop, Confidence::Low, signal);
    if is_bare_page(view) {
        return match method {
            "PUT" => low(
                Class::State,
                "a bare conflict on PUT: the place may be missing or taken",
            ),
            _ => low(Class::Other, "a page of the web server, not of the API"),
        };
    }
    match method {
        "POST" if is_action(view.asked.path) => low(
            Class::State,
            "a bare conflict on an action: most often the state forbids it",
        ),
        "POST" if speaks(view) => low(
            Class::State,
            "a conflict on POST, in words that are not known: none says that it exists",
        ),
        "POST" => low(
            Class::Duplicate,
            "a bare conflict on POST: most often it exists already",
        ),
        "PUT" | "PATCH" => low(
            Class::Stale,
            "a bare conflict on an update: most often another version stands",
        ),
        "DELETE" => low(Class::State, "a bare conflict on DELETE: most often it is in use"),
        "GET" | "HEAD" => low(Class::State, "a conflict on a read: the state does not allow it"),
        _ => unclear(view),
    }
}

/// The verdict that follows from the request's own precondition.
fn asked_for(view: &View<'_, '_>, class: Class, remedy: Remedy, confidence: Confidence) -> Verdict {
    let demand = &view.demand;
    let (place, signal) = match class {
        Class::Duplicate => (
            demand.absent.unwrap_or("if-none-match"),
            "the request demanded that it does not exist yet",
        ),
        _ => (
            demand.version.unwrap_or("if-match"),
            "the version that the request named is not the current one",
        ),
    };
    let sent = view.asked.headers.get(place).and_then(|v| v.to_str().ok());
    let mut verdict = Verdict::new(
        class,
        remedy,
        confidence,
        Evidence {
            signal: signal.into(),
            place: format!("request {place}").into(),
            excerpt: excerpt(sent.unwrap_or(place)),
        },
    );
    if class == Class::Stale && sent.is_some_and(|v| v.starts_with("W/")) && place == "if-match" {
        verdict.evidence.push(Evidence {
            signal: "a weak entity tag never matches in If-Match (RFC 9110 §13.1.1): fetch a strong one".into(),
            place: "request if-match".into(),
            excerpt: excerpt(sent.unwrap_or("")),
        });
    }
    verdict.evidence.push(Evidence {
        signal: "the status".into(),
        place: "status".into(),
        excerpt: view.status.to_string(),
    });
    verdict
}

fn precondition(view: &View<'_, '_>, said: Option<Said>) -> Verdict {
    let demand = &view.demand;
    if demand.absent == Some("overwrite") {
        return asked_for(view, Class::Duplicate, Remedy::Stop, Confidence::High);
    }
    if let Some(said) = said.as_ref().filter(|s| {
        s.rank < SPECIFIC && matches!(s.class, Class::State | Class::Race) && (s.rank <= 28 || demand.version.is_none())
    }) {
        return spoken(view, said);
    }
    if demand.absent.is_some() && demand.version.is_none() {
        return asked_for(view, Class::Duplicate, Remedy::Stop, Confidence::High);
    }
    if demand.version.is_some() {
        return asked_for(view, Class::Stale, Remedy::Rebase, Confidence::High);
    }
    if demand.present {
        return Verdict::new(
            Class::Stale,
            Remedy::Stop,
            Confidence::High,
            Evidence {
                signal: "`If-Match: *` failed: there is no such resource".into(),
                place: "request if-match".into(),
                excerpt: "*".into(),
            },
        );
    }
    if view.asked.headers.contains_key("if") {
        let signal = "the lock token that was submitted does not hold (RFC 4918 §10.4)";
        return plain(view, Class::State, Remedy::Stop, Confidence::Medium, signal);
    }
    if let Some(said) = said.filter(|s| s.rank < 60) {
        return spoken(view, &said);
    }
    if let Some(evidence) = named_version(view) {
        return Verdict::new(Class::Stale, Remedy::Rebase, Confidence::Medium, evidence);
    }
    if speaks(view) {
        let signal = "a precondition of the API's own, in words that are not known";
        return plain(view, Class::State, Remedy::Stop, Confidence::Low, signal);
    }
    let signal = "a precondition that the request did not name in HTTP's own fields";
    plain(view, Class::Stale, Remedy::Stop, Confidence::Low, signal)
}

fn failure(view: &View<'_, '_>, said: Option<Said>) -> Verdict {
    if let Some(said) = said.filter(|s| {
        s.rank < SPECIFIC
            && match s.class {
                Class::Duplicate | Class::Stale => true,
                Class::Race => view.status != 504,
                _ => false,
            }
    }) {
        let mut verdict = spoken(view, &said);
        // A failure may have been applied all the same; who says that it exists may speak of our own write.
        if verdict.remedy == Remedy::Adopt {
            verdict.remedy = Remedy::Stop;
        }
        return verdict;
    }
    match view.status {
        502..=504 => plain(
            view,
            Class::Other,
            Remedy::Wait,
            Confidence::Medium,
            "the origin cannot answer now",
        ),
        _ => plain(
            view,
            Class::Other,
            Remedy::Stop,
            Confidence::Medium,
            "the origin failed",
        ),
    }
}
