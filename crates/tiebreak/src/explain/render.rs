//! An explanation as text for a terminal, or as JSON for programs.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use serde_json::Value;
use tiebreak_core::verdict::{Confidence, Verdict};

use crate::explain::case::Case;
use crate::explain::words::{Explanation, Repeat};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const CARE: Style = AnsiColor::Yellow.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const CODE: Style = AnsiColor::Cyan.on_default();
const WIDTH: usize = 96;

/// The text, with colours; they are stripped on the way out where nobody would see them.
pub(crate) fn text(case: &Case, verdict: &Verdict, said: &Explanation) -> String {
    let mut out = String::new();
    let status = case.response.status;
    let path = case.request.as_ref().map_or("", |r| r.path.as_str());
    let what = [case.method().map_or("", http::Method::as_str), path].join(" ");
    let what = if what == " " {
        String::new()
    } else {
        format!(" on {}", visible(what.trim()))
    };
    let reason = status.canonical_reason().map_or_else(String::new, |r| format!(" {r}"));
    let _ = writeln!(
        out,
        "{BOLD}{}{reason}{what}: {}{BOLD:#}",
        status.as_u16(),
        said.headline
    );
    paragraph(&mut out, "", &said.meaning);

    let _ = writeln!(
        out,
        "\n{BOLD}Why{BOLD:#} {DIM}(class {}, {}){DIM:#}",
        verdict.class.as_str(),
        source(verdict)
    );
    for e in verdict.evidence.iter().take(5) {
        let _ = writeln!(out, "  - {}", e.signal);
        if !e.excerpt.is_empty() {
            let _ = writeln!(
                out,
                "    {DIM}{}:{DIM:#} {CODE}{}{CODE:#}",
                e.where_seen(),
                visible(&e.excerpt)
            );
        }
    }
    for item in verdict.items.iter().take(10) {
        let name = item.id.as_deref().map_or_else(String::new, |id| format!(" ({id})"));
        let _ = writeln!(
            out,
            "  - item {}{name}: {}, {}",
            item.index,
            item.verdict.class.as_str(),
            item.verdict.reason()
        );
    }

    let colour = match said.repeat {
        Repeat::Later | Repeat::Useless => CARE,
        Repeat::No => BAD,
    };
    let _ = writeln!(out, "\n{BOLD}Is it safe to send the same request again?{BOLD:#}");
    let _ = writeln!(out, "  {colour}{}{colour:#}", said.repeat.phrase());
    paragraph(&mut out, "  ", &said.repeat_because);

    let _ = writeln!(out, "\n{BOLD}What to do{BOLD:#}");
    for (number, step) in said.steps.iter().enumerate() {
        list_item(&mut out, &format!("  {}. ", number + 1), &step.text);
        if let Some(command) = &step.command {
            let _ = writeln!(out, "       {CODE}{command}{CODE:#}");
        }
    }
    if !said.notes.is_empty() {
        let _ = writeln!(out, "\n{BOLD}Good to know{BOLD:#}");
        for note in &said.notes {
            list_item(&mut out, "  - ", note);
        }
    }
    out
}

/// Who says so, and how sure it is.
fn source(verdict: &Verdict) -> String {
    let sure = match verdict.confidence {
        Confidence::High => "sure",
        Confidence::Medium => "likely, judging by the wording",
        Confidence::Low => "a guess",
    };
    match &verdict.dialect {
        Some(dialect) => format!("as documented for {dialect}"),
        None => sure.to_owned(),
    }
}

/// One line, with control characters made visible: an answer must not be able to steer the terminal.
fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => out.push(' '),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

fn paragraph(out: &mut String, indent: &str, text: &str) {
    list_item(out, indent, text);
}

fn list_item(out: &mut String, head: &str, text: &str) {
    let indent = " ".repeat(head.chars().count());
    let mut line = head.to_owned();
    let mut length = head.chars().count();
    let mut begun = false;
    for word in visible(text).split(' ').filter(|w| !w.is_empty()) {
        let wide = word.chars().count();
        if begun && length + 1 + wide > WIDTH {
            let _ = writeln!(out, "{line}");
            line.clone_from(&indent);
            length = indent.len();
            begun = false;
        }
        if begun {
            line.push(' ');
            length += 1;
        }
        line.push_str(word);
        length += wide;
        begun = true;
    }
    let _ = writeln!(out, "{line}");
}

/// A verdict as programs get it; the members of a line of `--batch`, without `id`.
#[derive(Debug, Serialize)]
pub(crate) struct Told<'a> {
    class: &'static str,
    remedy: &'static str,
    existing: Option<&'a str>,
    retry_after: Option<u64>,
    dialect: Option<&'a str>,
    confidence: &'static str,
    evidence: Vec<Signal<'a>>,
}

#[derive(Debug, Serialize)]
struct Signal<'a> {
    signal: &'a str,
    #[serde(rename = "where")]
    place: &'a str,
    excerpt: &'a str,
}

impl<'a> From<&'a Verdict> for Told<'a> {
    fn from(verdict: &'a Verdict) -> Told<'a> {
        Told {
            class: verdict.class.as_str(),
            remedy: verdict.remedy.as_str(),
            existing: verdict.existing.as_deref(),
            retry_after: verdict.retry_after.map(|d| d.as_secs()),
            dialect: verdict.dialect.as_deref(),
            confidence: match verdict.confidence {
                Confidence::Low => "low",
                Confidence::Medium => "medium",
                Confidence::High => "high",
            },
            evidence: verdict
                .evidence
                .iter()
                .map(|e| Signal {
                    signal: &e.signal,
                    place: &e.place,
                    excerpt: &e.excerpt,
                })
                .collect(),
        }
    }
}

/// Everything that is said about one case.
#[derive(Serialize)]
struct Whole<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<usize>,
    status: u16,
    method: Option<&'a str>,
    path: Option<&'a str>,
    #[serde(flatten)]
    verdict: Told<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    items: Vec<ToldItem<'a>>,
    headline: &'a str,
    meaning: &'a str,
    safe_to_repeat: &'static str,
    safe_to_repeat_because: &'a str,
    steps: Vec<ToldStep<'a>>,
    notes: &'a [String],
}

#[derive(Serialize)]
struct ToldItem<'a> {
    index: usize,
    id: Option<&'a str>,
    #[serde(flatten)]
    verdict: Told<'a>,
}

#[derive(Serialize)]
struct ToldStep<'a> {
    text: &'a str,
    command: Option<&'a str>,
}

/// The whole explanation for programs.
pub(super) fn json(entry: Option<usize>, case: &Case, verdict: &Verdict, said: &Explanation) -> Value {
    let path = case.request.as_ref().map(|r| r.path.as_str());
    let whole = Whole {
        entry,
        status: case.response.status.as_u16(),
        method: case.method().map(http::Method::as_str),
        path: path.filter(|p| !p.is_empty()),
        verdict: verdict.into(),
        items: verdict
            .items
            .iter()
            .map(|i| ToldItem {
                index: i.index,
                id: i.id.as_deref(),
                verdict: (&i.verdict).into(),
            })
            .collect(),
        headline: &said.headline,
        meaning: &said.meaning,
        safe_to_repeat: said.repeat.as_str(),
        safe_to_repeat_because: &said.repeat_because,
        steps: said
            .steps
            .iter()
            .map(|s| ToldStep {
                text: &s.text,
                command: s.command.as_deref(),
            })
            .collect(),
        notes: &said.notes,
    };
    // Only maps with keys that are no strings cannot be written; there are none.
    serde_json::to_value(&whole).unwrap_or_default()
}
