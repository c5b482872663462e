//! One write as a line of a list.

use maud::{Markup, html};
use serde_json::Value;
use tiebreak_core::record::{Record, State};
use tiebreak_core::time::Time;
use tiebreak_core::verdict::Class;

use crate::console::page::{count_of, moment, sentence};
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
    /// So many others came to the same, for the same reason, and are not listed.
    pub(super) alike: u64,
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
            alike: 0,
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

    /// Whether both came to the same, for the same reason.
    fn is_like(&self, other: &Row) -> bool {
        let came = |row: &Row| (row.outcome.clone(), row.class.clone(), row.why().map(str::to_owned));
        came(self) == came(other)
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
            @if self.alike > 0 { div.soft.why { "and " (count_of(self.alike, "other", "others")) " like it" } }
        }
    }
}

/// The first of each kind, with how many others came after it.
pub(super) fn one_of_each(rows: impl Iterator<Item = Row>) -> Vec<Row> {
    let mut kept: Vec<Row> = Vec::new();
    for row in rows {
        match kept.iter_mut().find(|first| first.is_like(&row)) {
            Some(first) => first.alike += 1,
            None => kept.push(row),
        }
    }
    kept
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
        Class::Blocked => "a wall before the API answered, not the API itself",
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

/// The list itself. Its roles are said outright, for on a phone its rows are no rows of a table any more.
pub(super) fn table(label: &str, rows: &[Row]) -> Markup {
    html! {
        div.wide tabindex="0" role="group" aria-label=(label) {
            table.writes.stack role="table" {
                thead role="rowgroup" {
                    tr role="row" {
                        @for (name, number) in [("Write", false), ("Came to", false), ("Status", false), ("ms", true), ("When", false)] {
                            th.number[number] scope="col" role="columnheader" { (name) }
                        }
                    }
                }
                tbody role="rowgroup" {
                    @for row in rows {
                        tr role="row" {
                            td.target role="cell" { a href={"/writes/" (row.id)} title=(row.target) { span.method { (row.method) } " " (path(&row.target)) } }
                            td role="cell" { (row.came_to()) }
                            td.status role="cell" { @if let Some(status) = row.status { (status) } }
                            td.number role="cell" { @if let Some(ms) = row.ms { (ms) } }
                            td.when role="cell" { (moment(Time(row.at))) }
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
    fn of_many_alike_the_first_stands_for_all() {
        let row = |id: &str, class: &str| Row {
            id: id.into(),
            outcome: Some("refused".into()),
            class: Some(class.into()),
            ..Row::default()
        };
        let rows = [("1", "stale"), ("2", "state"), ("3", "stale"), ("4", "stale")].map(|(id, class)| row(id, class));
        let kept = one_of_each(rows.into_iter());
        let told: Vec<_> = kept.iter().map(|row| (row.id.as_str(), row.alike)).collect();
        assert_eq!(told, [("1", 2), ("2", 0)]);
        let html = table("Writes", &kept).into_string();
        assert_eq!(html.matches("and 2 others like it").count(), 1, "{html}");
    }

    #[test]
    fn targets_are_shown_by_their_path() {
        assert_eq!(path("https://a.example/b/c?d"), "/b/c?d");
        assert_eq!(path("https://a.example"), "https://a.example");
    }
}
