//! One write as a line of a list.

use maud::{Markup, html};
use serde_json::Value;
use tiebreak_core::record::{Record, State};
use tiebreak_core::time::Time;
use tiebreak_core::verdict::Class;

use crate::console::page::{moment, sentence};
use crate::console::problems;

/// A write, as lists show it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) method: String,
    pub(super) target: String,
    pub(super) at: u64,
    pub(super) ended: bool,
    pub(super) ms: Option<u64>,
    pub(super) status: Option<u64>,
    pub(super) outcome: Option<String>,
    pub(super) class: Option<String>,
    /// The slug of our own problem, where the answer was one.
    pub(super) problem: Option<String>,
    /// What happened to it last, or why it is in doubt.
    pub(super) last: Option<String>,
}

impl Row {
    /// From a line of `/api/stories`.
    pub(super) fn of_story(story: &Value) -> Row {
        let text = |name: &str| story[name].as_str().map(str::to_owned);
        Row {
            id: text("id").unwrap_or_default(),
            method: text("method").unwrap_or_default(),
            target: text("target").unwrap_or_default(),
            at: story["at"].as_u64().unwrap_or_default(),
            ended: story["ended"] == true,
            ms: story["ms"].as_u64(),
            status: story["status"].as_u64(),
            outcome: text("outcome"),
            class: text("class"),
            problem: text("problem"),
            last: text("last"),
        }
    }

    /// From the ledger; `target` without what is concealed.
    pub(super) fn of_record(record: &Record, target: String) -> Row {
        let row = Row {
            id: record.claim.id.to_string(),
            method: record.claim.method.clone(),
            target,
            at: record.claim.at.0,
            ..Row::default()
        };
        match &record.state {
            State::Claimed => row,
            State::InDoubt(doubt) => Row {
                ended: true,
                outcome: Some("in-doubt".into()),
                last: Some(doubt.reason.why()),
                ..row
            },
            State::Settled(settled) => Row {
                ended: true,
                ms: Some(settled.at.0.saturating_sub(record.claim.at.0)),
                status: Some(settled.status.into()),
                outcome: Some(settled.outcome.as_str().into()),
                class: settled.class.map(|c| c.as_str().into()),
                ..row
            },
        }
    }

    /// Whether it met a conflict, or did not come through.
    pub(super) fn clashed(&self) -> bool {
        self.class.is_some() || matches!(self.outcome.as_deref(), Some("refused" | "not-sent" | "in-doubt"))
    }

    /// Why it did not simply come through, in a few words.
    fn why(&self) -> Option<&str> {
        let problem = self.problem.as_deref().and_then(problems::find);
        let class = self.class.as_deref().and_then(Class::from_word);
        match (self.outcome.as_deref(), problem) {
            (Some("applied" | "accepted" | "adopted"), _) => None,
            (None | Some("in-doubt"), _) => self.last.as_deref(),
            (Some(_), Some(kind)) => Some(kind.title()),
            (Some(_), None) => class.and_then(refused_because),
        }
    }

    /// What it came to, as a tag.
    fn came_to(&self) -> Markup {
        let outcome = self.outcome.as_deref();
        html! {
            @match outcome {
                Some(outcome) => span.outcome.(format!("o-{outcome}")) { (outcome) },
                None if self.ended => span.outcome { "ended" },
                None => span.outcome.running { "on its way" },
            }
            @if let Some(class) = &self.class { " " span.tag.class.(format!("c-{class}")) { (class) } }
            @else if let Some(problem) = &self.problem { " " a.tag href={"/problems/" (problem)} { (problem) } }
            @if let Some(why) = self.why() { div.soft.why { (sentence(why)) } }
        }
    }
}

/// Why a write was refused whose conflict is of this class.
pub(super) fn refused_because(class: Class) -> Option<&'static str> {
    Some(match class {
        Class::Duplicate => "it exists already",
        Class::Stale => "it was made from an old version",
        Class::Race | Class::InProgress => "another operation was in the way for too long",
        Class::KeyReuse => "its key was used for something else",
        Class::State => "the state of the resource forbids it",
        Class::Invalid => "its content is not right",
        Class::Blocked => "a wall before the API, not the API, refused it",
        Class::Other | Class::Unclear => return None,
    })
}

/// A target without its scheme and host, which are the same for nearly all.
pub(super) fn path(target: &str) -> &str {
    let rest = target
        .split_once("://")
        .and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]));
    rest.unwrap_or(target)
}

/// The list itself.
pub(super) fn table(label: &str, rows: &[Row]) -> Markup {
    html! {
        div.wide tabindex="0" role="group" aria-label=(label) {
            table.writes {
                thead { tr { th scope="col" { "Write" } th scope="col" { "Came to" } th scope="col" { "Status" } th.number scope="col" { "ms" } th scope="col" { "When" } } }
                tbody {
                    @for row in rows {
                        tr {
                            td.target { a href={"/writes/" (row.id)} title=(row.target) { span.method { (row.method) } " " (path(&row.target)) } }
                            td { (row.came_to()) }
                            td { @if let Some(status) = row.status { (status) } }
                            td.number { @if let Some(ms) = row.ms { (ms) } }
                            td.when { (moment(Time(row.at))) }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_others_wrote_is_text() {
        let row = Row::of_story(&json!({
            "id": "0", "method": "PUT", "target": "http://a/<script>alert(1)</script>", "at": 1, "ended": true,
            "outcome": "refused", "class": "stale", "status": 409, "ms": 3, "problem": "stale",
        }));
        let html = table("Writes", &[row]).into_string();
        assert!(!html.contains("<script>"), "{html}");
        assert!(html.contains("&lt;script&gt;"), "{html}");
        assert!(html.contains("c-stale") && html.contains("409"), "{html}");
    }

    #[test]
    fn a_list_says_why() {
        let row = |outcome: &str, class: &str, problem: Option<&str>| Row {
            outcome: Some(outcome.into()),
            class: Some(class.into()),
            problem: problem.map(str::to_owned),
            last: Some("last".into()),
            ..Row::default()
        };
        assert_eq!(row("refused", "duplicate", None).why(), Some("it exists already"));
        let overlap = row("not-sent", "stale", Some("overlap"));
        assert_eq!(overlap.why(), Some("Your change overlaps with another one"));
        assert_eq!(row("in-doubt", "", None).why(), Some("last"));
        assert_eq!(row("applied", "stale", None).why(), None);
    }

    #[test]
    fn targets_are_shown_by_their_path() {
        assert_eq!(path("https://a.example/b/c?d"), "/b/c?d");
        assert_eq!(path("https://a.example"), "https://a.example");
    }
}
