//! An explanation as text for a terminal, or as JSON for programs.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};
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
                e.place,
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
        Confidence::High => "documented, sure",
        Confidence::Medium => "by its wording, likely",
        Confidence::Low => "a guess",
    };
    match &verdict.dialect {
        Some(dialect) => format!("{sure}, dialect {dialect}"),
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

/// The verdict as in `--batch`, without `id`.
pub(crate) fn verdict(verdict: &Verdict) -> serde_json::Map<String, Value> {
    let confidence = match verdict.confidence {
        Confidence::Low => "low",
        Confidence::Medium => "medium",
        Confidence::High => "high",
    };
    let mut out = serde_json::Map::new();
    out.insert("class".into(), verdict.class.as_str().into());
    out.insert("remedy".into(), verdict.remedy.as_str().into());
    out.insert("existing".into(), verdict.existing.clone().into());
    out.insert("retry_after".into(), verdict.retry_after.map(|d| d.as_secs()).into());
    out.insert("dialect".into(), verdict.dialect.as_deref().into());
    out.insert("confidence".into(), confidence.into());
    let evidence: Vec<Value> = verdict
        .evidence
        .iter()
        .map(|e| json!({ "signal": e.signal, "where": e.place, "excerpt": e.excerpt }))
        .collect();
    out.insert("evidence".into(), evidence.into());
    out
}

/// The whole explanation for programs.
pub(crate) fn json(entry: Option<usize>, case: &Case, judged: &Verdict, said: &Explanation) -> Value {
    let mut out = serde_json::Map::new();
    if let Some(entry) = entry {
        out.insert("entry".into(), entry.into());
    }
    out.insert("status".into(), case.response.status.as_u16().into());
    let request = case.request.as_ref();
    out.insert("method".into(), case.method().map(http::Method::as_str).into());
    out.insert(
        "path".into(),
        request.map(|r| r.path.as_str()).filter(|p| !p.is_empty()).into(),
    );
    out.extend(verdict(judged));
    if !judged.items.is_empty() {
        let items: Vec<Value> = judged
            .items
            .iter()
            .map(|i| {
                let mut item = verdict(&i.verdict);
                item.insert("index".into(), i.index.into());
                item.insert("id".into(), i.id.clone().into());
                item.into()
            })
            .collect();
        out.insert("items".into(), items.into());
    }
    out.insert("headline".into(), said.headline.clone().into());
    out.insert("meaning".into(), said.meaning.clone().into());
    out.insert("safe_to_repeat".into(), said.repeat.as_str().into());
    out.insert("safe_to_repeat_because".into(), said.repeat_because.clone().into());
    let steps: Vec<Value> = said
        .steps
        .iter()
        .map(|s| json!({ "text": s.text, "command": s.command }))
        .collect();
    out.insert("steps".into(), steps.into());
    out.insert("notes".into(), said.notes.clone().into());
    out.into()
}
