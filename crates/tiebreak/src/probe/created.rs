//! Keys and duplicates, at a collection that takes POST.

use std::path::Path;

use bytes::Bytes;
use http::{HeaderName, Method};
use tiebreak_core::judge::{Asked, Judge};
use tiebreak_core::request::Target;
use tiebreak_core::response::Response;

use super::found::{Created, Found, Keys};
use super::scratch::{fresh_key, keyed, told};
use super::wire::{Ask, Wire};
use crate::exit::{FAILED, Failure, USAGE};

/// What is posted.
pub(super) struct Item {
    text: String,
}

impl Item {
    pub(super) fn read(path: &Path) -> Result<Item, Failure> {
        let text =
            std::fs::read_to_string(path).map_err(|e| Failure::new(USAGE, format!("read {}: {e}", path.display())))?;
        if !text.contains("{n}") {
            return Err(Failure::new(
                USAGE,
                format!(
                    "use {}: it has no `{{n}}`; put it where an item differs from the next one, such as \"name\": \"probe {{n}}\"",
                    path.display()
                ),
            ));
        }
        Ok(Item { text })
    }

    /// Item number `n`, which no earlier run has posted.
    fn number(&self, run: &str, n: u32) -> Bytes {
        Bytes::from(self.text.replace("{n}", &format!("{run}-{n}")))
    }
}

pub(super) async fn ask(
    wire: &Wire,
    judge: &Judge,
    collection: &Target,
    item: &Item,
    key_header: &HeaderName,
    found: &mut Found,
) -> Result<(), Failure> {
    let run = fresh_key()?[..8].to_owned();
    let post = |n: u32| Ask::new(Method::POST, collection).content("application/json", item.number(&run, n));
    let mut made = Vec::new();
    let asked = keys_and_duplicates(wire, judge, &post, key_header, &mut made).await;
    let left = delete(wire, collection, &made).await?;
    found.created = Some(Created { left, ..asked? });
    Ok(())
}

async fn keys_and_duplicates<'a>(
    wire: &Wire,
    judge: &Judge,
    post: &impl Fn(u32) -> Ask<'a>,
    key_header: &HeaderName,
    made: &mut Vec<String>,
) -> Result<Created, Failure> {
    // The same item twice, no key: what is a duplicate here?
    let ask = post(1);
    let first = wire.send(&ask).await?;
    if !first.status.is_success() {
        return Err(Failure::new(
            FAILED,
            format!(
                "create an item at {}: it answered {}; is it what the collection takes?",
                ask.to().as_str(),
                told(judge, &ask, &first)
            ),
        ));
    }
    made.extend(place(&first));
    let twin = wire.send(&ask).await?;
    made.extend(place(&twin).filter(|_| twin.status.is_success()));
    let refused = !twin.status.is_success();
    let headers = ask.headers();
    let verdict = judge.judge(&Asked::new(ask.method(), ask.to().path(), &headers), &twin);
    let duplicate = Some((refused, told(judge, &ask, &twin), verdict.existing.filter(|_| refused)));

    // Another item twice, with one key.
    let key = fresh_key()?;
    let ask = keyed(post(2), key_header, &key);
    let one = wire.send(&ask).await?;
    made.extend(place(&one).filter(|_| one.status.is_success()));
    let two = wire.send(&ask).await?;
    made.extend(place(&two).filter(|_| two.status.is_success()));
    let answers = format!("{}, then {}", told(judge, &ask, &one), told(judge, &ask, &two));
    let keys = match (one.status.is_success(), two.status.is_success()) {
        (true, true) if same_answer(&one, &two) => Keys::Honoured(answers),
        (true, true) => Keys::Ignored(answers),
        // Refused as a duplicate of itself: that says nothing about keys.
        (true, false) if refused => Keys::Unclear(answers),
        (true, false) => Keys::Refused(answers),
        (false, _) => Keys::Unclear(answers),
    };
    let mismatch = if matches!(keys, Keys::Honoured(_) | Keys::Refused(_)) {
        let other = keyed(post(3), key_header, &key);
        let answer = wire.send(&other).await?;
        made.extend(place(&answer).filter(|_| answer.status.is_success()));
        Some((answer.status.as_u16(), told(judge, &other, &answer)))
    } else {
        None
    };
    Ok(Created {
        duplicate,
        keys: Some(keys),
        mismatch,
        left: Vec::new(),
    })
}

/// Whether both answers tell of one and the same resource.
fn same_answer(one: &Response, two: &Response) -> bool {
    match (place(one), place(two)) {
        (Some(one), Some(two)) => one == two,
        (None, None) => one.content == two.content && !one.content.is_empty(),
        _ => false,
    }
}

/// Where the resource is that a POST created: its `Location`, or its id.
fn place(answer: &Response) -> Option<String> {
    if let Some(location) = answer.field("location").or_else(|| answer.field("content-location")) {
        return Some(location.to_owned());
    }
    let document: serde_json::Value = serde_json::from_slice(&answer.content).ok()?;
    let named = |document: &serde_json::Value| {
        ["id", "_id", "uuid"].iter().find_map(|name| match document.get(name)? {
            serde_json::Value::String(id) => Some(id.clone()),
            serde_json::Value::Number(id) => Some(id.to_string()),
            _ => None,
        })
    };
    named(&document).or_else(|| named(document.get("data")?))
}

/// Deletes what was created; what could not be deleted is left.
async fn delete(wire: &Wire, collection: &Target, made: &[String]) -> Result<Vec<String>, Failure> {
    let mut left = Vec::new();
    let mut seen = Vec::new();
    for place in made {
        if seen.contains(&place) {
            continue;
        }
        seen.push(place);
        let deleted = match at(collection, place) {
            Some(url) => {
                let answer = wire.send(&Ask::new(Method::DELETE, &url)).await?;
                answer.status.is_success() || answer.status == http::StatusCode::NOT_FOUND
            }
            None => false,
        };
        if !deleted {
            left.push(place.clone());
        }
    }
    Ok(left)
}

/// The URL of what a `Location` or an id names. Never at another origin: that would carry the credentials there.
fn at(collection: &Target, place: &str) -> Option<Target> {
    let base = url::Url::parse(collection.as_str()).ok()?;
    let looks_like_path = place.contains('/');
    let url = if looks_like_path {
        base.join(place).ok()?
    } else {
        let mut url = base.clone();
        url.path_segments_mut().ok()?.pop_if_empty().push(place);
        url
    };
    (url.origin() == base.origin())
        .then(|| Target::parse(url.as_str()).ok())
        .flatten()
}
