//! The writes that came last, and those in doubt, with filters.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use maud::{Markup, html};
use serde::Deserialize;
use tiebreak_core::outcome::Outcome;
use tiebreak_core::record::WriteId;
use tiebreak_core::verdict::Class;

use super::row::{Row, table};
use crate::admin::{Desk, stories};
use crate::console::page::{Page, count_of, sentence};

/// So many of the last writes are looked through.
const LOOKED_AT: usize = 2_000;
const PAGE: usize = 50;

pub(super) fn routes() -> Router<Arc<Desk>> {
    Router::new().route("/writes", get(search))
}

#[derive(Debug, Default, Deserialize)]
struct Asked {
    /// A part of the target, a method, or an id.
    #[serde(default)]
    q: String,
    #[serde(default)]
    class: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    page: usize,
}

impl Asked {
    fn wants(&self, row: &Row) -> bool {
        let state = match self.state.as_str() {
            "" => true,
            "running" => !row.ended,
            state => row.outcome.as_deref() == Some(state.trim()),
        };
        let class = self.class.is_empty() || row.class.as_deref() == Some(&self.class);
        let mut words = self.q.split_whitespace();
        state
            && class
            && words.all(|w| row.target.contains(w) || row.method.eq_ignore_ascii_case(w) || row.id.starts_with(w))
    }

    /// This search at another page.
    fn url(&self, page: usize) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in [("q", &self.q), ("class", &self.class), ("state", &self.state)] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        query.append_pair("page", &page.to_string());
        format!("/writes?{}", query.finish())
    }
}

async fn search(State(desk): State<Arc<Desk>>, Query(asked): Query<Asked>) -> Response {
    if let Some(id) = WriteId::parse(asked.q.trim()) {
        return Redirect::to(&format!("/writes/{id}")).into_response();
    }
    let rows: Vec<Row> = if asked.state == Outcome::InDoubt.as_str() {
        // Doubts never expire, so they are asked of the ledger, which forgets none.
        let doubts = desk.engine.ledger().doubts(None, 1_000).await.unwrap_or_default();
        let conceal = desk.watch.conceal();
        doubts
            .iter()
            .map(|r| Row::of_record(r, conceal.target(&r.claim.target)))
            .collect()
    } else {
        desk.watch
            .recent(LOOKED_AT)
            .iter()
            .map(|s| Row::of_story(&stories::brief(s)))
            .collect()
    };
    let found: Vec<Row> = rows.into_iter().filter(|row| asked.wants(row)).collect();
    Page {
        title: "Writes",
        place: "/writes",
        scripts: &[],
        wide: true,
        content: content(&asked, &found),
    }
    .into_response()
}

fn content(asked: &Asked, found: &[Row]) -> Markup {
    let from = asked.page.saturating_mul(PAGE).min(found.len());
    let to = (from + PAGE).min(found.len());
    html! {
        h1 { "Writes" }
        form.search role="search" method="get" action="/writes" {
            div.grow {
                label for="q" { "Target, method or id" }
                input #q type="search" name="q" value=(asked.q) spellcheck="false" autocapitalize="off" placeholder="PUT /items/7";
            }
            div {
                label for="class" { "Class" }
                select #class name="class" {
                    option value="" { "any" }
                    @for class in Class::ALL {
                        option value=(class.as_str()) selected[asked.class == class.as_str()] { (class.as_str()) }
                    }
                }
            }
            div {
                label for="state" { "Came to" }
                select #state name="state" {
                    option value="" { "anything" }
                    option value="running" selected[asked.state == "running"] { "on its way" }
                    @for outcome in Outcome::ALL {
                        option value=(outcome.as_str()) selected[asked.state == outcome.as_str()] { (outcome.as_str()) }
                    }
                }
            }
            button.primary type="submit" { "Search" }
        }
        div data-fresh=[(asked.page == 0).then_some("writes")] {
            p.soft role="status" {
                (sentence(&count_of(found.len() as u64, "write", "writes")))
                @if asked.state == "in-doubt" { " in doubt." } @else { " among the last ones that this process has seen, the newest first." }
            }
            @if from < to { (table("Writes", &found[from..to])) }
        }
        @if found.len() > PAGE {
            nav.pager aria-label="More writes" {
                @if from > 0 { a.button rel="prev" href=(asked.url(asked.page - 1)) { "Newer" } }
                span { (from + 1) " to " (to) }
                @if to < found.len() { a.button rel="next" href=(asked.url(asked.page + 1)) { "Older" } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(n: usize) -> Row {
        Row {
            id: format!("{n:032x}"),
            method: "PUT".into(),
            target: format!("http://a.example/items/{n}"),
            ended: true,
            outcome: Some("refused".into()),
            class: Some("stale".into()),
            ..Row::default()
        }
    }

    #[test]
    fn filters_are_taken_together() {
        let wants = |q: &str, class: &str, state: &str| {
            let asked = Asked {
                q: q.into(),
                class: class.into(),
                state: state.into(),
                page: 0,
            };
            asked.wants(&row(7))
        };
        assert!(wants("", "", ""));
        assert!(wants("put items/7", "stale", "refused"));
        assert!(wants("00000", "", ""));
        assert!(!wants("items/8", "", "") && !wants("", "race", "") && !wants("", "", "running"));
    }

    #[test]
    fn pages_follow_each_other() {
        let rows: Vec<Row> = (0..120).map(row).collect();
        let asked = |page| Asked {
            q: "a&b".into(),
            page,
            ..Asked::default()
        };
        let first = content(&asked(0), &rows).into_string();
        assert!(
            first.contains("/writes?q=a%26b&amp;page=1") && !first.contains("Newer"),
            "{first}"
        );
        let last = content(&asked(2), &rows).into_string();
        assert!(last.contains("101 to 120") && !last.contains("Older"), "{last}");
        let beyond = content(&asked(usize::MAX), &rows).into_string();
        assert!(!beyond.contains("Older"), "{beyond}");
    }
}
