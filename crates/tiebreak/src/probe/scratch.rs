//! The scratch resource: what it holds, how it is changed and put back.

use std::path::Path;

use bytes::Bytes;
use http::{HeaderName, Method, StatusCode, header};
use serde_json::Value;
use tiebreak_core::json::{MAX_DEPTH, Pointer, parse_strict};
use tiebreak_core::judge::{Asked, Judge};
use tiebreak_core::request::Target;
use tiebreak_core::response::Response;
use tiebreak_core::validator::EntityTag;

use super::wire::{Ask, Wire};
use crate::exit::{FAILED, Failure, USAGE};

/// A resource that may be written.
pub(super) struct Scratch {
    url: Target,
    /// What was there before; `None`: nothing.
    original: Option<Value>,
    /// What is written, but for the member that changes.
    form: Value,
    member: Pointer,
    way: Way,
    /// Counts the values that were written.
    written: u32,
    touched: bool,
}

/// How it is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// The whole document (RFC 9110 §9.3.4).
    Put,
    /// One member of it (RFC 7396).
    MergePatch,
}

/// What a read showed.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) document: Value,
    pub(super) content: Bytes,
    pub(super) etag: Option<EntityTag>,
    pub(super) etag_text: Option<String>,
    pub(super) last_modified: Option<String>,
}

/// Reads a JSON file.
pub(super) fn read_json(path: &Path) -> Result<Value, Failure> {
    let fail = |why: String| Failure::new(USAGE, format!("read {}: {why}", path.display()));
    let bytes = std::fs::read(path).map_err(|e| fail(e.to_string()))?;
    parse_strict(&bytes, MAX_DEPTH).map_err(|e| fail(e.to_string()))
}

/// What the judge makes of an answer, in a few words.
pub(super) fn told(judge: &Judge, ask: &Ask<'_>, response: &Response) -> String {
    let headers = ask.headers();
    let verdict = judge.judge(&Asked::new(ask.method(), ask.to().path(), &headers), response);
    let class = match response.status.is_success() {
        true => String::new(),
        false => format!(", class {}", verdict.class.as_str()),
    };
    format!("{}{class}", response.status.as_u16())
}

impl Scratch {
    /// Reads it, or creates it if nothing is there, and finds out how it is written.
    pub(super) async fn open(
        wire: &Wire,
        judge: &Judge,
        url: Target,
        content: Option<Value>,
        member: Option<&str>,
    ) -> Result<Scratch, Failure> {
        let get = Ask::new(Method::GET, &url);
        let answer = wire.send(&get).await?;
        let original = match answer.status {
            StatusCode::OK => Some(document(&answer, &url)?),
            StatusCode::NOT_FOUND | StatusCode::GONE => None,
            _ => {
                let told = told(judge, &get, &answer);
                return Err(Failure::new(
                    FAILED,
                    format!(
                        "read {}: it answered {told}; are credentials missing (--header)?",
                        url.as_str()
                    ),
                ));
            }
        };
        let Some(form) = content.or_else(|| original.clone()) else {
            return Err(Failure::new(
                USAGE,
                format!(
                    "write {}: nothing is there; say with --content FILE what to put there",
                    url.as_str()
                ),
            ));
        };
        let member = member_of(&form, member)?;
        let mut scratch = Scratch {
            url,
            original,
            form,
            member,
            way: Way::Put,
            written: 0,
            touched: false,
        };
        scratch.find_way(wire, judge).await?;
        Ok(scratch)
    }

    /// The first write: whole, or if the origin takes no whole documents, as a merge patch.
    async fn find_way(&mut self, wire: &Wire, judge: &Judge) -> Result<(), Failure> {
        let mut refusals = Vec::new();
        let ways = [Way::Put, Way::MergePatch];
        // A merge patch needs something to patch, and cannot reach into an array.
        let patchable = self.original.is_some() && !through_array(&self.form, &self.member);
        for way in ways.into_iter().take(if patchable { 2 } else { 1 }) {
            self.way = way;
            let url = self.url.clone();
            let mut ask = self.change(&url);
            if self.original.is_some() {
                // An origin may demand a precondition (RFC 6585 §3).
                let now = self.look(wire).await?;
                ask = now.guard(ask);
            }
            let answer = wire.send(&ask).await?;
            if answer.status.is_success() {
                self.touched = true;
                return Ok(());
            }
            refusals.push(format!("{} got {}", way.word(), told(judge, &ask, &answer)));
        }
        Err(Failure::new(
            FAILED,
            format!(
                "write {}: {}; give with --content FILE a document that it accepts",
                self.url.as_str(),
                refusals.join(", ")
            ),
        ))
    }

    /// The next change: another value of the member than any before.
    pub(super) fn change<'u>(&mut self, url: &'u Target) -> Ask<'u> {
        self.written += 1;
        self.change_to(url, self.written)
    }

    /// The change that sets value number `n`.
    pub(super) fn change_to<'u>(&self, url: &'u Target, n: u32) -> Ask<'u> {
        let value = value_number(self.member.get(&self.form), n);
        match self.way {
            Way::Put => put(url, &with(self.form.clone(), &self.member, value)),
            Way::MergePatch => {
                let patch = with(Value::Object(serde_json::Map::new()), &self.member, value);
                Ask::new(Method::PATCH, url).content("application/merge-patch+json", Bytes::from(patch.to_string()))
            }
        }
    }

    /// Writes another value under the version that is there now; the number of the value.
    pub(super) async fn write(&mut self, wire: &Wire) -> Result<u32, Failure> {
        let n = self.take_numbers(1);
        self.write_number(wire, n).await?;
        Ok(n)
    }

    /// Writes value number `n` under the version that is there now.
    pub(super) async fn write_number(&self, wire: &Wire, n: u32) -> Result<(), Failure> {
        let now = self.look(wire).await?;
        let answer = wire.send(&now.guard(self.change_to(&self.url, n))).await?;
        if answer.status.is_success() {
            return Ok(());
        }
        let status = answer.status.as_u16();
        let url = self.url.as_str();
        Err(Failure::new(
            FAILED,
            format!("write {url}: it answered {status} to a write like one that it took before"),
        ))
    }

    /// Numbers that no write has used yet.
    pub(super) fn take_numbers(&mut self, count: u32) -> u32 {
        let first = self.written + 1;
        self.written += count;
        first
    }

    /// Which of the values a representation holds.
    pub(super) fn holds(&self, seen: &Seen, n: u32) -> bool {
        self.member.get(&seen.document) == Some(&value_number(self.member.get(&self.form), n))
    }

    pub(super) fn url(&self) -> Target {
        self.url.clone()
    }

    pub(super) fn way(&self) -> Way {
        self.way
    }

    pub(super) fn member(&self) -> &Pointer {
        &self.member
    }

    /// What a whole write number `n` puts there.
    pub(super) fn whole(&self, n: u32) -> Value {
        let value = value_number(self.member.get(&self.form), n);
        with(self.form.clone(), &self.member, value)
    }

    /// Reads it.
    pub(super) async fn look(&self, wire: &Wire) -> Result<Seen, Failure> {
        let answer = wire.send(&Ask::new(Method::GET, &self.url)).await?;
        if answer.status != StatusCode::OK {
            return Err(Failure::new(
                FAILED,
                format!("read {}: it answered {} now", self.url.as_str(), answer.status.as_u16()),
            ));
        }
        Ok(Seen {
            document: document(&answer, &self.url)?,
            etag: answer.etag(),
            etag_text: answer.field("etag").map(str::to_owned),
            last_modified: answer.field("last-modified").map(str::to_owned),
            content: answer.content,
        })
    }

    /// Makes it what it was before.
    pub(super) async fn put_back(&self, wire: &Wire) -> Result<(), Failure> {
        if !self.touched {
            return Ok(());
        }
        let fail = |status: StatusCode| {
            Failure::new(
                FAILED,
                format!(
                    "put back what was at {}: it answered {}; look at it",
                    self.url.as_str(),
                    status.as_u16()
                ),
            )
        };
        let ask = match (&self.original, self.way) {
            (None, _) => Ask::new(Method::DELETE, &self.url),
            (Some(original), Way::Put) => put(&self.url, original),
            (Some(original), Way::MergePatch) => {
                let value = self.member.get(original).cloned().unwrap_or(Value::Null);
                let patch = with(Value::Object(serde_json::Map::new()), &self.member, value);
                Ask::new(Method::PATCH, &self.url)
                    .content("application/merge-patch+json", Bytes::from(patch.to_string()))
            }
        };
        let now = self.look(wire).await?;
        let answer = wire.send(&now.guard(ask)).await?;
        if answer.status.is_success() {
            Ok(())
        } else {
            Err(fail(answer.status))
        }
    }
}

impl Way {
    pub(super) fn word(self) -> &'static str {
        match self {
            Way::Put => "PUT",
            Way::MergePatch => "PATCH with a merge patch",
        }
    }
}

impl Seen {
    /// The request under the version that was seen.
    pub(super) fn guard<'a>(&self, ask: Ask<'a>) -> Ask<'a> {
        match (&self.etag_text, &self.etag) {
            (Some(text), Some(tag)) if !tag.is_weak() => ask.with(header::IF_MATCH, text),
            _ => ask,
        }
    }
}

fn put<'u>(url: &'u Target, document: &Value) -> Ask<'u> {
    Ask::new(Method::PUT, url).content("application/json", Bytes::from(document.to_string()))
}

fn document(answer: &Response, url: &Target) -> Result<Value, Failure> {
    parse_strict(&answer.content, MAX_DEPTH).map_err(|e| {
        Failure::new(
            FAILED,
            format!("read {} as JSON: {e}; only JSON resources can be probed", url.as_str()),
        )
    })
}

/// The member that may change.
fn member_of(form: &Value, asked: Option<&str>) -> Result<Pointer, Failure> {
    if let Some(asked) = asked {
        let pointer = Pointer::parse(asked).map_err(|e| Failure::new(USAGE, format!("use --member {asked}: {e}")))?;
        return match pointer.get(form) {
            Some(Value::String(_) | Value::Number(_)) => Ok(pointer),
            _ => Err(Failure::new(
                USAGE,
                format!("use --member {asked}: the document has no text and no number there"),
            )),
        };
    }
    let is_fixed = |name: &str| {
        let name = name.to_ascii_lowercase();
        [
            "id", "_id", "uuid", "key", "type", "kind", "self", "href", "url", "email",
        ]
        .contains(&name.as_str())
            || [
                "_id", "_at", "_on", "version", "revision", "etag", "date", "time", "created", "updated", "modified",
            ]
            .iter()
            .any(|end| name.ends_with(end))
            || name.starts_with(['_', '@', '$'])
    };
    let text = form.as_object().and_then(|members| {
        members
            .iter()
            .find(|(name, value)| value.is_string() && !is_fixed(name))
            .map(|(name, _)| Pointer(vec![name.clone()]))
    });
    text.ok_or_else(|| {
        Failure::new(
            USAGE,
            "choose a member to change: the document has no text at its top that is plainly free; name one with --member",
        )
    })
}

/// Whether an array is on the way to `place`.
fn through_array(document: &Value, place: &Pointer) -> bool {
    (0..place.0.len()).any(|length| {
        Pointer(place.0[..length].to_vec())
            .get(document)
            .is_some_and(Value::is_array)
    })
}

/// Value number `n` of a member: of the kind that it has.
fn value_number(was: Option<&Value>, n: u32) -> Value {
    match was {
        Some(Value::Number(_)) => Value::from(n),
        _ => Value::from(format!("tiebreak probe {n}")),
    }
}

/// The document with another value at `place`; objects on the way are made.
fn with(mut document: Value, place: &Pointer, value: Value) -> Value {
    let mut at = &mut document;
    for token in &place.0 {
        at = match at {
            Value::Array(items) => match token.parse::<usize>().ok().filter(|n| *n < items.len()) {
                Some(n) => &mut items[n],
                None => return document,
            },
            other => {
                if !other.is_object() {
                    *other = Value::Object(serde_json::Map::new());
                }
                &mut other[token.as_str()]
            }
        };
    }
    *at = value;
    document
}

/// A key that nobody has used.
pub(super) fn fresh_key() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| Failure::new(FAILED, format!("draw a key: {e}")))?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

/// The field `name` with a value in double quotes, as the Idempotency-Key draft spells keys.
pub(super) fn keyed<'a>(ask: Ask<'a>, name: &HeaderName, key: &str) -> Ask<'a> {
    ask.with(name.clone(), &format!("\"{key}\""))
}
