//! The general reading of codes and wording: which words stand where, and which of them counts most.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::judge::body::name::{NONE, hash};
use crate::judge::body::{HEAD, Key, Tree, Value, clip, has};
use crate::judge::known::{Known, known};
use crate::judge::request::Demand;
use crate::judge::words::{Hit, LEXICON, Mark, normalise};
use crate::verdict::{Class, Confidence, Evidence};

/// What the words say.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) class: Class,
    /// The lower, the surer; under 40 the phrase is specific.
    pub(crate) rank: u8,
    pub(crate) confidence: Confidence,
    pub(crate) evidence: Evidence,
    /// Whether it may well be somebody else's: a name that is taken, not the resource that was asked for.
    pub(crate) foreign: bool,
    /// Whether it is about an idempotency key.
    pub(crate) key: bool,
}

/// Where one piece of the searched text comes from.
struct Piece {
    end: usize,
    source: Source,
    code: bool,
    first: bool,
}

#[derive(Clone, Copy)]
enum Source {
    Node(usize),
    Field(&'static str),
}

/// The response field that carries a machine code, if `name` is one.
fn code_field(name: &str) -> Option<&'static str> {
    Some(match name {
        "x-amzn-errortype" => "x-amzn-errortype",
        "x-ms-error-code" => "x-ms-error-code",
        "x-error-code" => "x-error-code",
        "x-amzn-query-error" => "x-amzn-query-error",
        "x-error" => "x-error",
        "x-exception" => "x-exception",
        _ => return None,
    })
}

/// How much text is searched.
const MAX_TEXT: usize = 16 * 1024;

/// How many values of one name are read: a list of errors says the same of each item.
const MAX_ALIKE: u8 = 4;

/// Reads codes and wording.
pub(crate) fn listen(tree: Tree<'_, '_>, fields: &http::HeaderMap, demand: &Demand) -> Option<Said> {
    let mut text = Vec::with_capacity(512);
    let mut pieces: Vec<Piece> = Vec::with_capacity(8);
    for (name, value) in fields {
        if let (Some(name), Ok(value)) = (code_field(name.as_str()), value.to_str()) {
            add(
                &mut text,
                &mut pieces,
                clip(value, 200).as_ref(),
                Source::Field(name),
                true,
                true,
            );
        }
    }
    let mut said: Vec<(u32, u8)> = Vec::with_capacity(8);
    for (at, node) in tree.nodes.iter().enumerate().take(HEAD) {
        let Value::Text(value) = &node.value else { continue };
        if text.len() > MAX_TEXT {
            break;
        }
        let (name, hash) = name_of(tree, at);
        match said.iter_mut().find(|(known, _)| *known == hash) {
            Some((_, count)) if *count >= MAX_ALIKE => continue,
            Some((_, count)) => *count += 1,
            None => said.push((hash, 1)),
        }
        let Some(mut role) = role(name, hash, value) else {
            continue;
        };
        if role == Role::Stray && within_errors(tree, at) {
            role = Role::Message;
        }
        let code = role == Role::Code;
        let shown = if code { last_segment(value) } else { clip(value, 2048) };
        add(
            &mut text,
            &mut pieces,
            shown.as_ref(),
            Source::Node(at),
            code,
            role != Role::Stray,
        );
    }
    let text = String::from_utf8(text).unwrap_or_default();
    let hits = LEXICON.hits(&text);
    let heard = Heard {
        text: &text,
        tree,
        fields,
        pieces: &pieces,
        hits: &hits,
    };
    heard.about_key(demand).or_else(|| heard.strongest(demand))
}

/// Codes that wrap anything, in normal form: no evidence.
const GENERIC: [&str; 14] = [
    "invalid request error",
    "invalid request",
    "bad request",
    "badrequest",
    "validation error",
    "validation errors",
    "validation exception",
    "unprocessable entity",
    "api error",
    "invalid request exception",
    "precondition failed",
    "request error",
    "error",
    "about blank",
];

/// Names of members that list errors.
const ERRORS: [u32; 5] = [
    hash(b"errors"),
    hash(b"error"),
    hash(b"fieldErrors"),
    hash(b"validationErrors"),
    hash(b"violations"),
];

/// Whether a value stands somewhere below a member that lists errors.
fn within_errors(tree: Tree<'_, '_>, at: usize) -> bool {
    let mut at = at;
    for _ in 0..4 {
        at = tree.parent(at);
        let known = tree.names.get(at).is_none_or(|name| ERRORS.contains(name));
        let name = tree.nodes.get(at).filter(|_| known).and_then(|n| n.name());
        if matches!(
            name,
            Some("errors" | "error" | "fieldErrors" | "field_errors" | "validationErrors" | "violations")
        ) {
            return true;
        }
        if at == 0 {
            break;
        }
    }
    false
}

fn add(text: &mut Vec<u8>, pieces: &mut Vec<Piece>, value: &str, source: Source, code: bool, first: bool) {
    let start = text.len();
    normalise(value, code, text);
    if code
        && text
            .get(start..)
            .is_some_and(|t| GENERIC.iter().any(|g| g.as_bytes() == t.trim_ascii()))
    {
        text.truncate(start);
        return;
    }
    text.extend_from_slice(b" \n ");
    pieces.push(Piece {
        end: text.len(),
        source,
        code,
        first,
    });
}

/// The last segment of a URI reference such as a problem type; other codes as they are.
fn last_segment(value: &str) -> std::borrow::Cow<'_, str> {
    let plain = !value.starts_with('/') && memchr::memchr(b':', value.as_bytes()).is_none();
    if plain || (!value.contains("://") && !value.starts_with('/') && !value.starts_with("urn:")) {
        return clip(value, 160);
    }
    let path = value.split(['?']).next().unwrap_or(value);
    let end = path.rsplit(['/', '#', ':']).find(|s| !s.is_empty()).unwrap_or(path);
    clip(end, 160)
}

/// The nearest name of a value: its own, or that of the array it stands in.
fn name_of<'t>(tree: Tree<'t, '_>, at: usize) -> (&'t str, u32) {
    let mut at = at;
    for _ in 0..4 {
        let Some(node) = tree.nodes.get(at) else {
            return ("", NONE);
        };
        match &node.key {
            Key::Name(name) => {
                return (
                    name,
                    tree.names.get(at).copied().unwrap_or_else(|| hash(name.as_bytes())),
                );
            }
            Key::Root => return ("", NONE),
            Key::Index(_) => at = tree.parent(at),
        }
        if at == 0 {
            break;
        }
    }
    ("", NONE)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Code,
    Message,
    /// A string somewhere: it may be the caller's own data, echoed.
    Stray,
}

/// Whether a string is more than one word, or no code because it is not ASCII.
fn is_prose(value: &str) -> bool {
    let is_blank = |b: &u8| matches!(b, b'\t'..=b'\r' | b' ');
    let bytes = value.as_bytes();
    if !bytes.is_ascii() {
        return true;
    }
    let Some(first) = bytes.iter().position(|b| !is_blank(b)) else {
        return false;
    };
    let word = bytes.get(first..).unwrap_or(&[]);
    let end = word.iter().position(is_blank).unwrap_or(word.len());
    word.get(end..).unwrap_or(&[]).iter().any(|b| !is_blank(b))
}

/// What a string is for, by its name and its looks.
fn role(name: &str, hash: u32, value: &str) -> Option<Role> {
    if value.is_empty() || value.len() > 16 * 1024 {
        return None;
    }
    let blank = is_prose(value);
    let known = known(hash);
    match known {
        Some(Known::Skip) => None,
        _ if blank => Some(match known {
            Some(_) => Role::Message,
            None if name.is_empty() => Role::Message,
            None => Role::Stray,
        }),
        _ if value.len() > 160 || !value.bytes().any(|b| b.is_ascii_alphabetic()) => None,
        Some(Known::Code | Known::Message) => Some(Role::Code),
        None if name.is_empty() => Some(Role::Code),
        None => None,
        Some(Known::Type) if value.starts_with("http") && has(value, "rfc") => None,
        Some(Known::Type) => Some(Role::Code),
    }
}

/// Words of something that is not the very resource that was asked for.
static FOREIGN: LazyLock<Vec<Finder<'static>>> = LazyLock::new(|| {
    ["taken", "regist", "available", "in use", "initiali", "differen"]
        .iter()
        .map(Finder::new)
        .collect()
});

struct Heard<'s, 't, 'a> {
    text: &'s str,
    tree: Tree<'t, 'a>,
    fields: &'s http::HeaderMap,
    pieces: &'s [Piece],
    hits: &'s [Hit],
}

impl Heard<'_, '_, '_> {
    fn piece(&self, hit: &Hit) -> Option<&Piece> {
        let at = self.pieces.partition_point(|p| p.end <= hit.start);
        self.pieces.get(at)
    }

    fn words(&self, hit: &Hit) -> &str {
        self.text.get(hit.start..hit.end).unwrap_or("")
    }

    fn evidence(&self, piece: &Piece, signal: &'static str) -> Evidence {
        match piece.source {
            Source::Field(name) => Evidence {
                signal: signal.into(),
                place: format!("header {name}").into(),
                excerpt: excerpt(self.fields.get(name).and_then(|v| v.to_str().ok()).unwrap_or("")),
            },
            Source::Node(at) => {
                let path = self.tree.path(at);
                let text = self.tree.nodes.get(at).and_then(|n| n.value.scalar()).unwrap_or("");
                Evidence {
                    signal: signal.into(),
                    place: if path.is_empty() {
                        "body".into()
                    } else {
                        format!("body {path}").into()
                    },
                    excerpt: excerpt(text),
                }
            }
        }
    }

    /// What is said about an idempotency key, if one is the subject.
    fn about_key(&self, demand: &Demand) -> Option<Said> {
        let subject = self
            .hits
            .iter()
            .find(|h| h.mark == Mark::Key && self.piece(h).is_some_and(|p| p.first))?;
        let find = |mark: Mark| {
            self.hits
                .iter()
                .find(|h| h.mark == mark && self.piece(h).is_some_and(|p| p.first))
        };
        let (class, hit, signal) = if let Some(hit) = find(Mark::Differs) {
            (Class::KeyReuse, hit, "the key was used for another request")
        } else if let Some(hit) = find(Mark::Created) {
            (Class::Duplicate, hit, "the request with this key was performed already")
        } else if let Some(hit) = find(Mark::Running) {
            (
                Class::InProgress,
                hit,
                "the first request with this key is still running",
            )
        } else if let Some(hit) = find(Mark::Reused) {
            (Class::KeyReuse, hit, "the key was used before")
        } else if let Some(hit) = find(Mark::Faulty) {
            (Class::Invalid, hit, "the key is missing or malformed")
        } else if self.piece(subject).is_some_and(|p| p.code) {
            (Class::KeyReuse, subject, "a fault of the key")
        } else {
            return None;
        };
        let piece = self.piece(hit)?;
        // An error that merely advises about keys says so without a code, to a request that had none.
        let sure = demand.key.is_some() || self.piece(subject).is_some_and(|p| p.code);
        Some(Said {
            class,
            rank: 0,
            confidence: if sure { Confidence::High } else { Confidence::Medium },
            evidence: self.evidence(piece, signal),
            foreign: true,
            key: true,
        })
    }

    /// The phrase that counts most.
    fn strongest(&self, demand: &Demand) -> Option<Said> {
        let (rank, hit, piece) = self
            .hits
            .iter()
            .filter_map(|hit| {
                let piece = self.piece(hit)?;
                // What is replaced exists: "exists with another version" is about the version.
                let shift = if hit.mark == Mark::Duplicate && demand.updates && demand.absent.is_none() {
                    3
                } else {
                    0
                };
                let rank = match (hit.mark, piece.code, piece.first) {
                    (Mark::Key | Mark::Differs | Mark::Reused | Mark::Running | Mark::Created | Mark::Faulty, _, _) => {
                        return None;
                    }
                    (_, _, false) => hit.rank + shift + 25,
                    // Codes of validation wrap anything.
                    (Mark::Invalid, true, true) => hit.rank + 6,
                    (_, true, true) => (hit.rank + shift).saturating_sub(8),
                    (_, false, true) => hit.rank + shift,
                };
                Some((rank, hit, piece))
            })
            .min_by_key(|(rank, hit, _)| (*rank, hit.start))?;
        let (class, signal) = match hit.mark {
            // The request carried a key, and a request is running: the one with this key.
            Mark::Race if demand.key.is_some() && self.words(hit).contains("request") => {
                (Class::InProgress, "the first request with this key is still running")
            }
            Mark::Race => (Class::Race, "the answer speaks of an operation that is running"),
            Mark::Duplicate => (Class::Duplicate, "the answer speaks of something that exists already"),
            Mark::Stale => (Class::Stale, "the answer speaks of an outdated version"),
            Mark::State => (Class::State, "the answer speaks of a state that forbids it"),
            Mark::Invalid => (Class::Invalid, "the answer speaks of a fault in the content"),
            _ => (Class::Other, "the answer speaks of something that is no conflict"),
        };
        let evidence = self.evidence(piece, signal);
        let confidence = match (rank, piece.code) {
            (0..=37, true) => Confidence::High,
            (0..=40, _) => Confidence::Medium,
            _ => Confidence::Low,
        };
        let foreign = class == Class::Duplicate && FOREIGN.iter().any(|word| word.find(self.text.as_bytes()).is_some());
        Some(Said {
            class,
            rank,
            confidence,
            evidence,
            foreign,
            key: false,
        })
    }
}

/// At most 200 bytes of a text, on one line.
pub(crate) fn excerpt(text: &str) -> String {
    let text = clip(text.trim(), 200);
    if text.contains(['\n', '\r']) {
        text.replace(['\n', '\r'], " ")
    } else {
        text.into_owned()
    }
}
