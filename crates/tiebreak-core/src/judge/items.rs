//! Bulk answers: conflicts of single items inside an answer that as a whole looks like success.

use crate::judge::body::name::hash;
use crate::judge::body::{Tree, Value};
use crate::judge::view::View;
use crate::remedy::Remedy;
use crate::verdict::{Class, Confidence, Evidence, Item, Verdict};

/// How many failed items are judged; the rest are not listed.
const MAX_ITEMS: usize = 64;

/// One item that was found.
pub(crate) struct Found {
    pub(crate) index: usize,
    /// Where its own error document is.
    pub(crate) at: usize,
    pub(crate) id: Option<String>,
    /// 0 where it has none of its own.
    pub(crate) status: u16,
}

/// Names of which a bulk answer has at least one, unless it is a list.
const SIGNS: [u32; 11] = [
    hash(b"items"),
    hash(b"responses"),
    hash(b"compositeResponse"),
    hash(b"results"),
    hash(b"multistatus"),
    hash(b"DeleteResult"),
    hash(b"CancellationReasons"),
    hash(b"Failed"),
    hash(b"Records"),
    hash(b"RequestResponses"),
    hash(b"FailedRecords"),
];

/// Whether it is worth looking for items.
pub(crate) fn may_be(view: &View<'_, '_>) -> bool {
    let list = view.tree.nodes.first().is_some_and(|n| n.value == Value::Array);
    let errors = (200..300).contains(&view.status) && view.names.may_have(hash(b"errors"));
    let signed = |sign: &u32| view.names.may_have(*sign) && view.tree.names.contains(sign);
    list || errors || SIGNS.iter().any(signed)
}

/// The items of a bulk answer that failed, and how many items there are. `None` if this is no bulk answer.
pub(crate) fn find(tree: Tree<'_, '_>, status: u16) -> Option<(Vec<Found>, usize)> {
    elasticsearch(tree)
        .or_else(|| responses(tree))
        .or_else(|| multistatus(tree))
        .or_else(|| reasons(tree))
        .or_else(|| listed(tree, status))
        .or_else(|| documents(tree))
}

fn number(tree: Tree<'_, '_>, at: usize, names: &[&str]) -> Option<u16> {
    names.iter().find_map(|name| tree.scalar(at, name)?.parse().ok())
}

fn id(tree: Tree<'_, '_>, at: usize, names: &[&str]) -> Option<String> {
    names
        .iter()
        .find_map(|name| tree.scalar(at, name))
        .map(crate::judge::wording::excerpt)
}

/// Elasticsearch and OpenSearch `_bulk`: `{"errors": true, "items": [{"index": {"_id", "status", "error"}}]}`.
fn elasticsearch(tree: Tree<'_, '_>) -> Option<(Vec<Found>, usize)> {
    tree.member(0, "errors")?;
    let list = tree.member(0, "items")?;
    let mut all = 0;
    let mut found = Vec::new();
    for (index, item) in tree.children(list).enumerate() {
        all += 1;
        let Some(action) = tree.children(item).next() else {
            continue;
        };
        let status = number(tree, action, &["status"]).unwrap_or(0);
        if (status >= 400 || tree.member(action, "error").is_some()) && found.len() < MAX_ITEMS {
            found.push(Found {
                index,
                at: action,
                id: id(tree, action, &["_id"]),
                status,
            });
        }
    }
    Some((found, all))
}

/// Sub-requests with a status each: Kinto `/batch`, OData JSON batch and Microsoft Graph (`responses`), Salesforce
/// Composite (`compositeResponse`, `results`).
fn responses(tree: Tree<'_, '_>) -> Option<(Vec<Found>, usize)> {
    let list = ["responses", "compositeResponse", "results"]
        .into_iter()
        .find_map(|name| tree.member(0, name))?;
    let mut all = 0;
    let mut found = Vec::new();
    for (index, item) in tree.children(list).enumerate() {
        all += 1;
        let status = number(tree, item, &["status", "httpStatusCode", "statusCode"])?;
        if status >= 400 && found.len() < MAX_ITEMS {
            let body = ["body", "result"].into_iter().find_map(|name| tree.member(item, name));
            found.push(Found {
                index,
                at: body.unwrap_or(item),
                id: id(tree, item, &["path", "id", "referenceId"]),
                status,
            });
        }
    }
    (all > 0).then_some((found, all))
}

/// WebDAV multi-status (RFC 4918 §13) and S3's DeleteResult.
fn multistatus(tree: Tree<'_, '_>) -> Option<(Vec<Found>, usize)> {
    let mut found = Vec::new();
    let mut all = 0;
    if let Some(root) = tree.member(0, "multistatus") {
        for (index, item) in tree
            .children(root)
            .filter(|at| is_named(tree, *at, "response"))
            .enumerate()
        {
            all += 1;
            let line = tree
                .scalar(item, "status")
                .or_else(|| tree.scalar(tree.member(item, "propstat")?, "status"))
                .unwrap_or("");
            let status = line.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(200);
            if status >= 400 && found.len() < MAX_ITEMS {
                found.push(Found {
                    index,
                    at: item,
                    id: id(tree, item, &["href"]),
                    status,
                });
            }
        }
        return Some((found, all));
    }
    let root = tree.member(0, "DeleteResult")?;
    for (index, item) in tree.children(root).enumerate() {
        all += 1;
        if is_named(tree, item, "Error") && found.len() < MAX_ITEMS {
            found.push(Found {
                index,
                at: item,
                id: id(tree, item, &["Key"]),
                status: 0,
            });
        }
    }
    Some((found, all))
}

fn is_named(tree: Tree<'_, '_>, at: usize, name: &str) -> bool {
    tree.nodes.get(at).and_then(|n| n.name()) == Some(name)
}

/// DynamoDB: why a transaction was cancelled, one reason per item, `None` for those that were well.
fn reasons(tree: Tree<'_, '_>) -> Option<(Vec<Found>, usize)> {
    let list = tree.member(0, "CancellationReasons")?;
    let mut all = 0;
    let mut found = Vec::new();
    for (index, item) in tree.children(list).enumerate() {
        all += 1;
        if tree.scalar(item, "Code").is_some_and(|code| code != "None") && found.len() < MAX_ITEMS {
            found.push(Found {
                index,
                at: item,
                id: None,
                status: 0,
            });
        }
    }
    Some((found, all))
}

/// Errors listed beside results in a 2xx: GraphQL (`errors` beside `data`), HubSpot batches (`errors` with `numErrors`),
/// SQS (`Failed`), Kinesis and Firehose (`Records`, `RequestResponses` with `ErrorCode`).
fn listed(tree: Tree<'_, '_>, status: u16) -> Option<(Vec<Found>, usize)> {
    if !(200..300).contains(&status) {
        return None;
    }
    let list = ["errors", "Failed", "Records", "RequestResponses", "FailedRecords"]
        .into_iter()
        .find_map(|name| tree.member(0, name))?;
    let mut found = Vec::new();
    let mut all = 0;
    for (index, item) in tree.children(list).enumerate() {
        all += 1;
        let error = ["message", "code", "Code", "ErrorCode", "category", "errorCode"]
            .into_iter()
            .any(|name| tree.scalar(item, name).is_some_and(|v| v != "null"));
        if error && found.len() < MAX_ITEMS {
            found.push(Found {
                index,
                at: item,
                id: id(tree, item, &["id", "Id", "RecordId"]),
                status: number(tree, item, &["status"]).unwrap_or(0),
            });
        }
    }
    (!found.is_empty()).then_some((found, all))
}

/// A list of documents, some with an error: CouchDB `_bulk_docs`, Salesforce collections (`success: false`).
fn documents(tree: Tree<'_, '_>) -> Option<(Vec<Found>, usize)> {
    let mut found = Vec::new();
    let mut all = 0;
    for (index, item) in tree.children(0).enumerate() {
        tree.nodes
            .get(item)
            .filter(|n| matches!(n.key, crate::judge::body::Key::Index(_)))?;
        all += 1;
        let known = tree.member(item, "id").is_some() || tree.member(item, "success").is_some();
        let failed = tree.scalar(item, "error").is_some() || tree.scalar(item, "success") == Some("false");
        if known && failed && found.len() < MAX_ITEMS {
            found.push(Found {
                index,
                at: item,
                id: id(tree, item, &["id"]),
                status: 0,
            });
        }
    }
    (!found.is_empty()).then_some((found, all))
}

/// The verdict on the whole from those on its failed items.
///
/// Only if all items failed alike may the whole be treated like one of them: otherwise some were applied, and
/// whatever is done again must be done for the others alone.
pub(crate) fn whole(items: Vec<Item>, all: usize) -> Option<Verdict> {
    let first = items
        .iter()
        .find(|i| i.verdict.class != Class::Other)
        .or(items.first())?;
    let alike = items
        .iter()
        .all(|i| i.verdict.class == first.verdict.class && i.verdict.remedy == first.verdict.remedy);
    let remedy = match first.verdict.remedy {
        Remedy::Wait | Remedy::Rebase if alike && items.len() == all => first.verdict.remedy,
        _ => Remedy::Stop,
    };
    let mut verdict = Verdict::new(
        first.verdict.class,
        remedy,
        first.verdict.confidence.min(Confidence::Medium),
        Evidence {
            signal: format!("{} of {all} items failed", items.len()).into(),
            place: "body".into(),
            excerpt: first.verdict.reason(),
        },
    );
    verdict.evidence.extend(first.verdict.evidence.iter().cloned());
    verdict.dialect.clone_from(&first.verdict.dialect);
    verdict.held = items.iter().any(|i| i.verdict.held);
    verdict.items = items;
    Some(verdict)
}
