//! Dialect packs: what one API family says about its conflicts, as declarative data.
//!
//! The format is described in `docs/dialects.md`. A pack never runs code: it names places in an answer, the values
//! that stand there, and what they mean.

mod document;
mod load;
mod set;
mod standard;
mod when;

use std::fmt;

pub use document::DocumentFacts;
pub use load::PackError;
pub(crate) use set::PackSet;
pub(crate) use standard::standard;
pub(crate) use when::When;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::body_version::BodyVersion;
use crate::judge::body::Pointer;
use crate::judge::view::View;
use crate::judge::wording::excerpt;
use crate::judge::{Asked, Judge};
use crate::remedy::Remedy;
use crate::response::Response;
use crate::verdict::{Class, Confidence, Evidence, Scope, Verdict};

/// Loading dialect packs.
#[derive(Debug, Clone, Copy)]
pub struct Dialects;

impl Dialects {
    /// Reads a pack from TOML. `name` is used in errors, such as the name of its file.
    ///
    /// # Errors
    /// If the text is not TOML, or a field is unknown, missing or not of the kind expected; the error names the line.
    pub fn load(name: &str, text: &str) -> Result<Pack, PackError> {
        load::load(name, text)
    }
}

/// One API family.
#[derive(Debug, Clone)]
pub struct Pack {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) sources: Vec<String>,
    pub(crate) unconfirmed: Option<String>,
    pub(crate) recognise: Vec<When>,
    pub(crate) code_at: Vec<when::Place>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) probe: Option<Probe>,
    pub(crate) version: Option<BodyVersion>,
    pub(crate) document: Option<DocumentFacts>,
    pub(crate) examples: Vec<Example>,
}

/// What an answer of the family means if it looks like this.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) when: When,
    pub(crate) class: Class,
    pub(crate) remedy: Remedy,
    pub(crate) scope: Option<Scope>,
    pub(crate) existing: Vec<Pointer>,
    pub(crate) retry_after: Vec<Pointer>,
    pub(crate) proves_refusal: bool,
    pub(crate) held: bool,
    pub(crate) why: String,
}

/// How to find out whether a write landed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// What to do.
    pub how: ProbeHow,
    /// Where to read, as a path; for [`ProbeHow::Search`], with `{value}` for what was asked.
    pub at: Option<String>,
    /// The fine print, in words.
    pub note: String,
}

/// The kinds of probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeHow {
    /// Read the target URI and compare.
    ReadTarget,
    /// Read the member that the request named, below the target.
    ReadMember,
    /// Search by a unique value of the request.
    Search,
    /// Send again with the same idempotency key: the origin repeats its answer.
    RepeatWithKey,
    /// The API offers no way.
    Nothing,
}

impl ProbeHow {
    /// The word used in packs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ProbeHow::ReadTarget => "read-target",
            ProbeHow::ReadMember => "read-member",
            ProbeHow::Search => "search",
            ProbeHow::RepeatWithKey => "repeat-with-key",
            ProbeHow::Nothing => "nothing",
        }
    }
}

/// An answer with the verdict that the pack must give.
#[derive(Debug, Clone)]
pub struct Example {
    /// The request method.
    pub method: String,
    /// The path and query.
    pub path: String,
    /// Request fields.
    pub request: Vec<(String, String)>,
    /// The request's content, where it matters.
    pub content: Option<String>,
    /// The status of the answer.
    pub status: u16,
    /// Fields of the answer.
    pub headers: Vec<(String, String)>,
    /// The content of the answer.
    pub body: String,
    /// The class that is right.
    pub class: Class,
    /// The remedy that is right, where it matters.
    pub remedy: Option<Remedy>,
    /// The identifier that should be found.
    pub existing: Option<String>,
    /// The line in the pack.
    pub line: usize,
}

/// An example that came out otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExampleFailure {
    /// The pack.
    pub pack: String,
    /// The line of the example in the pack.
    pub line: usize,
    /// What was expected and what came.
    pub what: String,
}

impl fmt::Display for ExampleFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dialect {}, example at line {}: {}", self.pack, self.line, self.what)
    }
}

impl Pack {
    /// Its short name, as it stands in verdicts.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its family, in words.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Where its rules come from: documentation pages and public issues.
    #[must_use]
    pub fn sources(&self) -> &[String] {
        &self.sources
    }

    /// What no source that was seen confirms, in words; nothing where all of it was found.
    #[must_use]
    pub fn unconfirmed(&self) -> Option<&str> {
        self.unconfirmed.as_deref()
    }

    /// How many rules it has.
    #[must_use]
    pub fn rules(&self) -> usize {
        self.rules.len()
    }

    /// How to find out whether a write landed.
    #[must_use]
    pub fn probe(&self) -> Option<&Probe> {
        self.probe.as_ref()
    }

    /// Where the family keeps versions, if in the content.
    #[must_use]
    pub fn body_version(&self) -> Option<&BodyVersion> {
        self.version.as_ref()
    }

    /// Its own examples.
    #[must_use]
    pub fn examples(&self) -> &[Example] {
        &self.examples
    }

    /// The verdict of the first rule that applies.
    pub(crate) fn judge(&self, view: &View<'_, '_>) -> Option<Verdict> {
        let codes = when::codes(&self.code_at, view);
        let (rule, seen) = self
            .rules
            .iter()
            .find_map(|rule| rule.when.matches(view, &codes).map(|seen| (rule, seen)))?;
        let evidence = Evidence {
            signal: rule.why.clone().into(),
            place: seen.place.into(),
            excerpt: excerpt(&seen.text),
        };
        let mut verdict = Verdict::new(rule.class, rule.remedy, Confidence::High, evidence);
        verdict.dialect = Some(self.name.clone().into());
        verdict.scope = rule.scope;
        verdict.proves_refusal = rule.proves_refusal;
        verdict.held = rule.held;
        let first = |pointers: &[Pointer]| {
            pointers
                .iter()
                .flat_map(|p| p.find(view.tree))
                .find_map(|at| {
                    view.tree
                        .nodes
                        .get(at)?
                        .value
                        .scalar()
                        .filter(|s| *s != "null" && !s.is_empty())
                })
                .map(excerpt)
        };
        verdict.existing = first(&rule.existing);
        verdict.retry_after = first(&rule.retry_after).and_then(|t| crate::judge::existing::seconds(&t));
        Some(verdict)
    }
}

/// What is wrong with the verdict on one of `pack`'s examples, if anything is.
pub(crate) fn check(judge: &Judge, pack: &Pack, example: &Example) -> Option<ExampleFailure> {
    let failure = |what: String| {
        Some(ExampleFailure {
            pack: pack.name.clone(),
            line: example.line,
            what,
        })
    };
    let (Ok(method), Ok(status)) = (
        Method::from_bytes(example.method.as_bytes()),
        StatusCode::from_u16(example.status),
    ) else {
        return failure("its method or status is none".to_owned());
    };
    let (Some(request), Some(headers)) = (map(&example.request), map(&example.headers)) else {
        return failure("one of its header fields is malformed".to_owned());
    };
    let asked = Asked {
        content: example.content.as_deref().map(str::as_bytes),
        ..Asked::new(&method, &example.path, &request)
    };
    let verdict = judge.judge(
        &asked,
        &Response {
            status,
            headers,
            content: example.body.clone().into(),
            complete: true,
        },
    );
    let got = || {
        format!(
            "{}/{}: {}",
            verdict.class.as_str(),
            verdict.remedy.as_str(),
            verdict.reason()
        )
    };
    if verdict.dialect.as_deref() != Some(pack.name.as_str()) {
        return failure(format!(
            "dialect {:?} spoke, {}",
            verdict.dialect.as_deref().unwrap_or("none"),
            got()
        ));
    }
    if verdict.class != example.class || example.remedy.is_some_and(|r| r != verdict.remedy) {
        let wanted = example.remedy.map_or("any", Remedy::as_str);
        return failure(format!("expected {}/{wanted}, got {}", example.class.as_str(), got()));
    }
    if example.existing.is_some() && example.existing != verdict.existing {
        return failure(format!(
            "expected existing {:?}, got {:?}",
            example.existing, verdict.existing
        ));
    }
    None
}

fn map(fields: &[(String, String)]) -> Option<HeaderMap> {
    fields
        .iter()
        .map(|(name, value)| Some((name.parse::<HeaderName>().ok()?, value.parse::<HeaderValue>().ok()?)))
        .collect()
}
