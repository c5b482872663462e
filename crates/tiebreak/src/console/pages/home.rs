//! What is happening, in words.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use maud::{Markup, html};
use tiebreak_ledger::Stats;

use crate::admin::Desk;
use crate::console::page::Page;

pub(super) fn routes() -> Router<Arc<Desk>> {
    Router::new().route("/", get(now))
}

async fn now(State(desk): State<Arc<Desk>>) -> Response {
    let stats = desk.engine.ledger().stats().await.map_err(|e| e.to_string());
    Page {
        title: "Now",
        place: "/",
        scripts: &[],
        wide: false,
        content: content(&desk.upstream, stats.as_ref()),
    }
    .into_response()
}

fn content(upstream: &str, stats: Result<&Stats, &String>) -> Markup {
    html! {
        h1 { "What is happening" }
        @match stats {
            Ok(stats) => {
                p.lead { (lead(upstream, stats)) }
                dl.figures {
                    div { dt { "Settled" } dd { (grouped(stats.settled)) } }
                    div { dt { "On their way" } dd { (grouped(stats.claimed)) } }
                    div.care[stats.in_doubt > 0] { dt { "In doubt" } dd { (grouped(stats.in_doubt)) } }
                }
            }
            Err(why) => {
                div.notice role="alert" {
                    p { strong { "The ledger cannot be read: " } "failed to " (why) ". Nothing is sent until it can; see " a href="/problems/ledger-unavailable" { "why" } "." }
                }
            }
        }
        section aria-labelledby="start" {
            h2 #start { "Staring at a refusal?" }
            ul.cards {
                li { a.card href="/explain" { span.card-title { "Explain an answer" } span { "Paste it: which conflict it is, why, and what to do." } } }
                li { a.card href="/terms/409" { span.card-title { "409 Conflict" } span { "The whole story of the commonest one." } } }
                li { a.card href="/map" { span.card-title { "The map" } span { "How the words around conflicts hang together." } } }
            }
        }
    }
}

fn lead(upstream: &str, stats: &Stats) -> String {
    if stats.settled + stats.claimed + stats.in_doubt == 0 {
        return format!("No write has come through yet. Point a client at this gateway; it stands before {upstream}.");
    }
    let doubts = match stats.in_doubt {
        0 => "nothing needs you".to_owned(),
        1 => "one doubt needs a person".to_owned(),
        n => format!("{} doubts need a person", grouped(n)),
    };
    let running = match stats.claimed {
        0 => "No write is on its way".to_owned(),
        1 => "One write is on its way".to_owned(),
        n => format!("{} writes are on their way", grouped(n)),
    };
    format!("{running} to {upstream}, and {doubts}.")
}

/// A number with its thousands apart.
pub(super) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_needs_a_person() {
        let none = Stats::default();
        assert!(lead("http://a.example", &none).starts_with("No write has come through yet"));
        let some = Stats {
            settled: 7,
            claimed: 1,
            in_doubt: 2,
            ..none
        };
        assert_eq!(
            lead("http://a.example", &some),
            "One write is on its way to http://a.example, and 2 doubts need a person."
        );
        let why = "read <it>".to_owned();
        let failed = content("x", Err(&why)).into_string();
        assert!(failed.contains("failed to read &lt;it&gt;"), "{failed}");
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(grouped(12), "12");
    }
}
