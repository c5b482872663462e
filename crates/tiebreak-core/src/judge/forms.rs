//! Machine-readable forms that mean the same at every API: google.rpc codes, SQLSTATE, SCIM, replay markers.

use crate::judge::body::{Key, Tree, Value};
use crate::judge::view::View;
use crate::judge::wording::{Said, excerpt};
use crate::remedy::Remedy;
use crate::verdict::{Class, Confidence, Evidence, Scope, Verdict};

/// What a standard form says, with what the words beside it add.
pub(crate) fn read(view: &View<'_, '_>, said: Option<&Said>) -> Option<Verdict> {
    let (tree, status) = (view.tree, view.status);
    if said.is_some_and(|s| s.key) {
        return None;
    }
    let (class, at, signal, scope) = rpc(tree, status, said)
        .or_else(|| sqlstate(tree, said))
        .or_else(|| scim(tree))?;
    let node = tree.nodes.get(at)?;
    let mut verdict = Verdict::new(
        class,
        Remedy::Stop,
        Confidence::High,
        Evidence {
            signal: signal.into(),
            place: format!("body {}", tree.path(at)).into(),
            excerpt: excerpt(node.value.scalar().unwrap_or("")),
        },
    );
    verdict.scope = scope;
    verdict.remedy = match class {
        Class::Duplicate if !view.demand.safe && !said.is_some_and(|s| s.foreign) => Remedy::Adopt,
        Class::Stale if view.demand.whole && !view.demand.versioned => Remedy::Stop,
        Class::Stale => Remedy::Rebase,
        Class::Race => Remedy::Wait,
        _ => Remedy::Stop,
    };
    if let Some(said) = said.filter(|s| s.class == class) {
        verdict.evidence.push(said.evidence.clone());
    }
    Some(verdict)
}

type Found = (Class, usize, &'static str, Option<Scope>);

/// A class that specific words beside a code may refine it to.
fn refined(said: Option<&Said>, among: &[Class]) -> Option<Class> {
    said.filter(|s| s.rank < 40 && among.contains(&s.class))
        .map(|s| s.class)
}

/// google.rpc.Code: by name in `status` (or `code`), by number in the gRPC gateway's `{code, message, details}`.
/// <https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto>
fn rpc(tree: Tree<'_, '_>, status: u16, said: Option<&Said>) -> Option<Found> {
    let at = [tree.member(0, "error"), Some(0)]
        .into_iter()
        .flatten()
        .find_map(|node| {
            [tree.member(node, "status"), tree.member(node, "code")]
                .into_iter()
                .flatten()
                .find(|at| code_number(tree, *at, status).is_some())
        })?;
    match code_number(tree, at, status)? {
        6 => Some((
            refined(said, &[Class::Race]).unwrap_or(Class::Duplicate),
            at,
            "google.rpc ALREADY_EXISTS",
            Some(Scope::Name),
        )),
        // AIP-154: a stale etag is ABORTED as well.
        10 => Some((
            refined(said, &[Class::Stale]).unwrap_or(Class::Race),
            at,
            "google.rpc ABORTED",
            None,
        )),
        9 => Some((
            refined(said, &[Class::Duplicate, Class::Stale, Class::Race]).unwrap_or(Class::State),
            at,
            "google.rpc FAILED_PRECONDITION",
            None,
        )),
        _ => None,
    }
}

fn code_number(tree: Tree<'_, '_>, at: usize, status: u16) -> Option<u8> {
    let node = tree.nodes.get(at)?;
    match &node.value {
        Value::Text(text) => match text.as_ref() {
            "ALREADY_EXISTS" => Some(6),
            "FAILED_PRECONDITION" => Some(9),
            "ABORTED" => Some(10),
            _ => None,
        },
        // A bare number is a google.rpc code only beside the status that the gateway maps it to.
        Value::Number(text) if node.key == Key::Name("code".into()) => match (text.parse().ok()?, status) {
            (6, 409) => Some(6),
            (10, 409) => Some(10),
            (9, 400 | 412) => Some(9),
            _ => None,
        },
        _ => None,
    }
}

/// SQLSTATE (PostgreSQL, appendix A) in a member named `code`, `sqlstate` or `sqlState`.
fn sqlstate(tree: Tree<'_, '_>, said: Option<&Said>) -> Option<Found> {
    let at = [Some(0), tree.member(0, "error")].into_iter().flatten().find_map(|node| {
        ["code", "sqlstate", "sqlState", "errorCode"]
            .into_iter()
            .filter_map(|name| tree.member(node, name))
            .find(|at| {
                tree.nodes.get(*at).is_some_and(|n| {
                    matches!(&n.value, Value::Text(t) if t.len() == 5 && t.starts_with(['2', '4', '5']) && t.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase()))
                })
            })
    })?;
    let code = tree.nodes.get(at)?.value.scalar()?;
    Some(match code {
        "23505" => (
            Class::Duplicate,
            at,
            "SQLSTATE 23505 unique_violation",
            Some(Scope::Name),
        ),
        "23503" | "23001" => (Class::State, at, "SQLSTATE foreign key violation", None),
        "23P01" => (Class::State, at, "SQLSTATE 23P01 exclusion_violation", None),
        "23502" | "23514" | "22001" | "22003" | "22P02" | "22007" => {
            (Class::Invalid, at, "SQLSTATE data exception", None)
        }
        "40001" => (
            refined(said, &[Class::Stale]).unwrap_or(Class::Race),
            at,
            "SQLSTATE 40001 serialization_failure",
            None,
        ),
        "40P01" => (Class::Race, at, "SQLSTATE 40P01 deadlock_detected", None),
        "55P03" => (Class::Race, at, "SQLSTATE 55P03 lock_not_available", None),
        "25006" => (Class::State, at, "SQLSTATE 25006 read_only_sql_transaction", None),
        _ => return None,
    })
}

/// SCIM error types (RFC 7644, table 9).
fn scim(tree: Tree<'_, '_>) -> Option<Found> {
    let at = tree.member(0, "scimType")?;
    match tree.nodes.get(at)?.value.scalar()? {
        "uniqueness" => Some((Class::Duplicate, at, "SCIM uniqueness", Some(Scope::Name))),
        "mutability" => Some((Class::State, at, "SCIM mutability", None)),
        "invalidValue" | "invalidSyntax" | "invalidPath" | "noTarget" => {
            Some((Class::Invalid, at, "SCIM invalid request", None))
        }
        _ => None,
    }
}
