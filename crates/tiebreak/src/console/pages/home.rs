//! What is happening, in words.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use maud::{Markup, html};
use tiebreak_client::figures::Second;
use tiebreak_core::outcome::Outcome;
use tiebreak_core::time::Time;
use tiebreak_core::verdict::Class;

use super::row::{self, Row, table};
use crate::admin::{Desk, stories};
use crate::console::page::{Page, count_of, grouped};

/// So many of the last writes are looked at for conflicts, and so many of those are shown.
const LOOKED_AT: usize = 400;
const SHOWN: usize = 8;

pub(super) fn routes() -> Router<Arc<Desk>> {
    Router::new().route("/", get(now))
}

/// What the page tells.
#[derive(Debug)]
struct Now {
    upstream: String,
    /// How many writes the ledger holds as settled, and in doubt; or why it cannot be read.
    ledger: Result<(u64, u64), String>,
    running: u64,
    /// Within the last minute.
    minute: Option<Second>,
    doubts: Vec<Row>,
    conflicts: Vec<Row>,
}

async fn now(State(desk): State<Arc<Desk>>) -> Response {
    let ledger = desk.engine.ledger();
    let stats = ledger.stats().await;
    let doubts = ledger.doubts(None, SHOWN).await.unwrap_or_default();
    let conceal = desk.watch.conceal();
    let recent = desk.watch.recent(LOOKED_AT);
    let rows = recent.iter().map(|story| Row::of_story(&stories::brief(story)));
    let at = desk.engine.clock().now().0;
    let now = Now {
        upstream: match desk.upstream.as_str() {
            "embedded" => "the embedded origin".into(),
            url => url.to_owned(),
        },
        ledger: stats.map(|s| (s.settled, s.in_doubt)).map_err(|e| e.to_string()),
        running: desk.watch.running() as u64,
        minute: desk
            .watch
            .figures()
            .seconds(Time(at.saturating_sub(60_000)))
            .into_iter()
            .reduce(|mut all, second| {
                all.merge(&second);
                all
            }),
        doubts: doubts
            .iter()
            .map(|record| Row::of_record(record, conceal.target(&record.claim.target)))
            .collect(),
        // Doubts have their own list.
        conflicts: row::one_of_each(rows.filter(|row| row.clashed() && row.outcome.as_deref() != Some("in-doubt"))),
    };
    Page {
        title: "Now",
        place: "/",
        scripts: &[],
        wide: false,
        content: content(&now),
    }
    .into_response()
}

fn content(now: &Now) -> Markup {
    html! {
        h1 { "What is happening" }
        div #now data-fresh {
            @match &now.ledger {
                Ok((settled, in_doubt)) => {
                    p.lead { (lead(now, *settled, *in_doubt)) }
                    dl.figures {
                        div { dt { "Writes, last minute" } dd { (grouped(now.minute.as_ref().map_or(0, |m| m.writes.into()))) } }
                        div { dt { "On their way" } dd { (grouped(now.running)) } }
                        div.care[*in_doubt > 0] { dt { "In doubt" } dd { (grouped(*in_doubt)) } }
                        div { dt { "Settled, in all" } dd { (grouped(*settled)) } }
                    }
                }
                Err(why) => {
                    div.notice role="alert" {
                        p { strong { "The ledger cannot be read: " } "failed to " (why) ". Nothing is sent until it can; see " a href="/problems/ledger-unavailable" { "why" } "." }
                    }
                }
            }
            @if !now.doubts.is_empty() {
                section aria-labelledby="doubts" {
                    h2 #doubts { "Needs a person" }
                    p { "These were sent, and nobody can prove yet whether they were applied. " a href="/terms/in-doubt" { "What that means" } "." }
                    (table("Open doubts", &now.doubts))
                }
            }
            section aria-labelledby="conflicts" {
                h2 #conflicts { "Last conflicts" }
                @if !now.conflicts.is_empty() { p { "The newest of each kind. Follow one to see what clashed with it, and what to do." } }
                @if now.conflicts.is_empty() {
                    p.soft { "None among the writes that came last." }
                } @else {
                    (table("Last conflicts", &now.conflicts[..now.conflicts.len().min(SHOWN)]))
                    p { a href="/writes" { "All writes" } }
                }
            }
        }
        section aria-labelledby="start" {
            h2 #start { "Staring at a refusal?" }
            ul.cards.three {
                li { a.card href="/explain" { span.card-title { "Explain an answer" } span { "Paste it: which conflict it is, why, and what to do." } } }
                li { a.card href="/terms/409" { span.card-title { "409 Conflict" } span { "The whole story of the commonest one." } } }
                li { a.card href="/map" { span.card-title { "The map" } span { "How the words around conflicts hang together." } } }
            }
        }
    }
}

/// The whole page in one breath.
fn lead(now: &Now, settled: u64, in_doubt: u64) -> String {
    let upstream = &now.upstream;
    if settled + in_doubt + now.running == 0 && now.minute.is_none() {
        return format!("No write has come through yet. Point a client at this gateway; it stands before {upstream}.");
    }
    let minute = match &now.minute {
        None => format!("In the last minute no write went to {upstream}"),
        Some(minute) => {
            let writes = count_of(minute.writes.into(), "write", "writes");
            format!("In the last minute {writes} came for {upstream}: {}", came_to(minute))
        }
    };
    let doubts = match in_doubt {
        0 => "Nothing needs you.".into(),
        1 => "One doubt needs a person.".into(),
        n => format!("{} doubts need a person.", grouped(n)),
    };
    format!("{minute}. {doubts}")
}

/// What became of them, and which conflicts were met: "40 applied, 2 refused. Conflicts: 3 stale, 1 race".
fn came_to(minute: &Second) -> String {
    let list = |words: Vec<(&str, u32)>| {
        let met = words.into_iter().filter(|(_, n)| *n > 0);
        let each: Vec<String> = met
            .map(|(word, n)| format!("{} {}", grouped(n.into()), word.replace('-', " ")))
            .collect();
        each.join(", ")
    };
    let outcomes = list(
        Outcome::ALL
            .map(Outcome::as_str)
            .into_iter()
            .zip(minute.outcomes)
            .collect(),
    );
    let classes = Class::ALL
        .into_iter()
        .zip(minute.classes)
        .filter(|(class, _)| *class != Class::Other);
    match list(classes.map(|(class, n)| (class.as_str(), n)).collect()) {
        none if none.is_empty() => outcomes,
        classes => format!("{outcomes}. Conflicts: {classes}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet() -> Now {
        Now {
            upstream: "http://a.example".into(),
            ledger: Ok((0, 0)),
            running: 0,
            minute: None,
            doubts: Vec::new(),
            conflicts: Vec::new(),
        }
    }

    fn told(settled: u64, in_doubt: u64, minute: Option<Second>) -> String {
        let now = Now { minute, ..quiet() };
        lead(&now, settled, in_doubt)
    }

    #[test]
    fn it_says_what_happened_and_what_needs_a_person() {
        assert!(told(0, 0, None).starts_with("No write has come through yet"));
        assert_eq!(
            told(7, 0, None),
            "In the last minute no write went to http://a.example. Nothing needs you."
        );
        let mut minute = Second::new(1);
        minute.writes = 1200;
        minute.outcomes[0] = 1200;
        let calm = told(7, 1, Some(minute.clone()));
        assert!(
            calm.ends_with("1\u{202f}200 applied. One doubt needs a person."),
            "{calm}"
        );
        minute.outcomes[4] = 3;
        minute.classes[1] = 2;
        minute.classes[2] = 1;
        minute.classes[8] = 40;
        let busy = told(7, 2, Some(minute));
        assert!(
            busy.ends_with("applied, 3 not sent. Conflicts: 2 stale, 1 race. 2 doubts need a person."),
            "{busy}"
        );
    }

    #[test]
    fn a_ledger_that_cannot_be_read_is_said() {
        let now = Now {
            ledger: Err("read <it>".into()),
            ..quiet()
        };
        let html = content(&now).into_string();
        assert!(html.contains("failed to read &lt;it&gt;"), "{html}");
    }
}
