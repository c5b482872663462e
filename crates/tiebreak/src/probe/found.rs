//! What was found, as the TOML of a route, or as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};
use tiebreak_core::request::Target;

use super::scratch::Way;

/// Everything that was found; what is `None` was not asked.
#[derive(Debug, Default)]
pub(super) struct Found {
    url: String,
    path: String,
    pub(super) way: Option<Way>,
    /// The member that was changed.
    pub(super) member: String,
    pub(super) stored: Option<Stored>,
    /// Whether a write without any precondition is taken, and how it was answered.
    pub(super) unguarded: Option<(bool, String)>,
    pub(super) patches: Option<String>,
    pub(super) tags: Option<Tags>,
    pub(super) last_modified: bool,
    /// A tag that was never given out is refused.
    pub(super) if_match: Option<Honoured>,
    /// A tag of an older version is refused.
    pub(super) stale_tag: Option<Honoured>,
    pub(super) if_none_match: Option<Honoured>,
    pub(super) race: Option<Race>,
    pub(super) created: Option<Created>,
}

/// What became of what was sent.
#[derive(Debug)]
pub(super) enum Stored {
    /// It is read back as it was sent.
    Kept,
    /// So it is, with these members more.
    Added(Vec<String>),
    /// These members have another value.
    Changed(Vec<String>),
    /// What is read back cannot be compared.
    Unlike(String),
}

/// Entity tags.
#[derive(Debug)]
pub(super) enum Tags {
    None,
    /// The field is there, and is no entity tag.
    Malformed(String),
    /// Two reads of the same content had different tags.
    Unstable(Vec<String>),
    Given(TagFacts),
}

#[derive(Debug)]
pub(super) struct TagFacts {
    pub(super) weak: bool,
    /// The tags of A, of B, and of A again.
    pub(super) seen: Vec<String>,
    /// Whether another content had another tag.
    pub(super) moved: bool,
    /// Whether A had its old tag again.
    pub(super) recurs: bool,
    /// Whether A was the same content again, so that a digest would have come back.
    pub(super) same_content: bool,
    pub(super) looks_like_version: bool,
}

/// Whether a precondition was enforced, and how that was answered.
#[derive(Debug)]
pub(super) struct Honoured {
    pub(super) yes: bool,
    pub(super) told: String,
}

#[derive(Debug)]
pub(super) struct Race {
    pub(super) rounds: u16,
    pub(super) racers: u16,
    /// Rounds in which more than one write was applied under one tag.
    pub(super) several: u16,
    pub(super) none: u16,
    /// The statuses of those that lost.
    pub(super) refusals: Vec<u16>,
}

#[derive(Debug)]
pub(super) struct Created {
    /// Whether the same item a second time was refused, how, and what exists already.
    pub(super) duplicate: Option<(bool, String, Option<String>)>,
    pub(super) keys: Option<Keys>,
    /// The answer to a used key with another item.
    pub(super) mismatch: Option<(u16, String)>,
    /// What was created and could not be deleted.
    pub(super) left: Vec<String>,
}

/// What a key did.
#[derive(Debug)]
pub(super) enum Keys {
    /// The second answer was the first one's.
    Honoured(String),
    /// The repeat was refused, although another item like it is not.
    Refused(String),
    /// A second item was created.
    Ignored(String),
    Unclear(String),
}

/// One question, its answer, and what it rests on.
struct Line {
    question: &'static str,
    answer: String,
}

impl Found {
    pub(super) fn new(url: &Target) -> Found {
        let path = url.uri().path();
        let path = match path.trim_end_matches('/').rsplit_once('/') {
            Some((above, last)) if !last.is_empty() => format!("{above}/{{id}}"),
            _ => path.to_owned(),
        };
        Found {
            url: url.as_str().to_owned(),
            path,
            ..Found::default()
        }
    }

    /// Whether If-Match stops anything: only then is there something to race for.
    pub(super) fn enforces_if_match(&self) -> bool {
        let strong = matches!(&self.tags, Some(Tags::Given(facts)) if !facts.weak);
        strong && self.if_match.as_ref().is_some_and(|h| h.yes) && self.stale_tag.as_ref().is_some_and(|h| h.yes)
    }

    /// The value of the setting `etag`, and why.
    fn etag(&self) -> (&'static str, &'static str) {
        let broken = self.race.as_ref().is_some_and(|race| race.several > 0);
        match &self.tags {
            Some(Tags::Given(_)) if broken => (
                "digest",
                "several writes passed under one tag: it guards nothing by itself",
            ),
            Some(Tags::Given(_)) if !self.enforces_if_match() => {
                ("digest", "If-Match is not enforced: only the lane guards")
            }
            Some(Tags::Given(facts)) if facts.recurs => ("digest", "the tag came back with the content"),
            Some(Tags::Given(facts)) if facts.same_content || facts.looks_like_version => {
                ("version", "the tag did not come back with the content")
            }
            Some(Tags::Given(_)) => (
                "auto",
                "the content never was the same twice, so the tags may be digests or versions",
            ),
            Some(Tags::None | Tags::Malformed(_) | Tags::Unstable(_)) | None => {
                ("auto", "there are no entity tags to rely on")
            }
        }
    }

    fn honours_keys(&self) -> bool {
        let keys = self.created.as_ref().and_then(|c| c.keys.as_ref());
        matches!(keys, Some(Keys::Honoured(_)))
    }

    fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut line = |question, answer: String| lines.push(Line { question, answer });
        if let Some(way) = self.way {
            let patches = self
                .patches
                .as_ref()
                .map(|p| format!("; it says that it takes patches: {p}"));
            line("written by", format!("{}{}", way.word(), patches.unwrap_or_default()));
        }
        if let Some(stored) = &self.stored {
            line("what it keeps", stored.told());
        }
        if let Some(tags) = &self.tags {
            line("entity tags", tags.told(self.last_modified));
        }
        let enforced = |honoured: &Honoured, what: &str| match honoured.yes {
            true => format!("enforced: {what} was answered with {}", honoured.told),
            false => format!("NOT enforced: {what} was answered with {}", honoured.told),
        };
        if let Some(honoured) = &self.if_match {
            line("If-Match, a tag that never was", enforced(honoured, "the write"));
        }
        if let Some(honoured) = &self.stale_tag {
            line("If-Match, an old tag", enforced(honoured, "the write"));
        }
        if let Some(honoured) = &self.if_none_match {
            line("If-None-Match: * on what exists", enforced(honoured, "the write"));
        }
        if let Some((taken, told)) = &self.unguarded {
            let answer = match taken {
                true => format!("taken ({told})"),
                false => format!("refused with {told}"),
            };
            line("a write without precondition", answer);
        }
        if let Some(race) = &self.race {
            line("writes at once under one tag", race.told());
        }
        if let Some(created) = &self.created {
            if let Some((refused, told, existing)) = &created.duplicate {
                let existing = existing.as_ref().map(|e| format!("; it names what exists: {e}"));
                let answer = match refused {
                    true => format!("refused with {told}{}", existing.unwrap_or_default()),
                    false => format!("taken as another one ({told})"),
                };
                line("the same item again", answer);
            }
            if let Some(keys) = &created.keys {
                line("idempotency keys", keys.told());
            }
            if let Some((_, told)) = &created.mismatch {
                line("a used key with another item", format!("answered with {told}"));
            }
            if !created.left.is_empty() {
                line("created, and not deleted", created.left.join(", "));
            }
        }
        lines
    }

    /// The members that the origin maintains: sent as they had been read, and yet changed. The one that was changed on purpose
    /// is only spelled in another way.
    fn volatile(&self) -> Vec<&str> {
        match &self.stored {
            Some(Stored::Changed(places)) => places
                .iter()
                .map(String::as_str)
                .filter(|p| *p != self.member)
                .collect(),
            _ => Vec::new(),
        }
    }

    /// The route, with what it rests on as comments.
    pub(super) fn toml(&self) -> String {
        let mut out = format!("# {}, as `tiebreak probe` found it:\n#\n", self.url);
        for Line { question, answer } in self.lines() {
            let _ = writeln!(out, "# {question}: {answer}");
        }
        let (etag, why) = self.etag();
        let _ = write!(
            out,
            "\n[[route]]\npath = {}\netag = {} # {why}\n",
            quoted(&self.path),
            quoted(etag)
        );
        if self.created.is_some() {
            let _ = writeln!(out, "honours_keys = {}", self.honours_keys());
        }
        if !self.volatile().is_empty() {
            let places: Vec<String> = self.volatile().iter().map(|p| quoted(p)).collect();
            let _ = writeln!(
                out,
                "volatile = [{}] # it does not keep what is sent there",
                places.join(", ")
            );
        }
        out
    }

    /// The same for programs.
    pub(super) fn json(&self) -> String {
        let (etag, why) = self.etag();
        let findings: Vec<Value> = self
            .lines()
            .into_iter()
            .map(|line| json!({ "question": line.question, "answer": line.answer }))
            .collect();
        let mut route = json!({ "path": self.path, "etag": etag });
        if self.created.is_some() {
            route["honours_keys"] = self.honours_keys().into();
        }
        if !self.volatile().is_empty() {
            route["volatile"] = self.volatile().into();
        }
        let whole = json!({ "url": self.url, "findings": findings, "route": route, "etag_because": why });
        format!("{whole:#}\n")
    }
}

impl Stored {
    fn told(&self) -> String {
        match self {
            Stored::Kept => "what is sent is read back as it was".into(),
            Stored::Added(members) => format!(
                "what is sent is read back as it was, with more members: {}",
                members.join(", ")
            ),
            Stored::Changed(places) => format!("it changes what is sent, at {}", places.join(", ")),
            Stored::Unlike(why) => format!("what is read back cannot be compared with what was sent: {why}"),
        }
    }
}

impl Tags {
    fn told(&self, last_modified: bool) -> String {
        let told = match self {
            Tags::None => "none".into(),
            Tags::Malformed(text) => format!("`{text}` is no entity tag (RFC 9110 §8.8.3): it is ignored"),
            Tags::Unstable(tags) => format!(
                "two reads of the same content had {}: they identify nothing",
                tags.join(" and ")
            ),
            Tags::Given(facts) => {
                let strength = if facts.weak { "weak" } else { "strong" };
                let back = match (facts.same_content, facts.recurs) {
                    (_, true) => "the first one came back with its content",
                    (true, false) => "the first one did not come back with its content",
                    (false, false) => "no content came back byte for byte",
                };
                let moved = if facts.moved {
                    ""
                } else {
                    "; the tag did NOT change with the content"
                };
                format!("{strength}; {}: {back}{moved}", facts.seen.join(" → "))
            }
        };
        match (self, last_modified) {
            (Tags::None, true) => format!("{told}; there is Last-Modified, in whole seconds, which guards less"),
            _ => told,
        }
    }
}

impl Race {
    fn told(&self) -> String {
        let Race { rounds, racers, .. } = self;
        let lost: Vec<String> = self.refusals.iter().map(u16::to_string).collect();
        let mut told = match self.several {
            0 => format!(
                "{rounds} times {racers}: never was more than one applied; the others got {}",
                lost.join(", ")
            ),
            n => format!("{rounds} times {racers}: {n} times MORE than one was applied, so updates get lost"),
        };
        if self.none > 0 {
            let _ = write!(told, "; {} times none was applied", self.none);
        }
        told
    }
}

impl Keys {
    fn told(&self) -> String {
        match self {
            Keys::Honoured(told) => format!("honoured: the repeat got the first one's answer ({told})"),
            Keys::Refused(told) => {
                format!("known, it seems: the repeat was refused, which an item without a key was not ({told})")
            }
            Keys::Ignored(told) => format!("NOT honoured: the repeat created another item ({told})"),
            Keys::Unclear(told) => format!("cannot be told ({told})"),
        }
    }
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}
