//! The story of one write: what it came to, what clashed, what is known of a doubt, and what happened when.

use std::sync::Arc;

use axum::extract::{Path, State as Given};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;
use tiebreak_client::prover;
use tiebreak_client::story::CONCEALED;
use tiebreak_core::problem::Kind;
use tiebreak_core::proof::Proof;
use tiebreak_core::record::{Held, HeldValidator, Record, State, WriteId, key_brought};
use tiebreak_core::time::Time;
use tiebreak_core::verdict::Class;
use tiebreak_ledger::{Resolution, ResolvedBy};

use super::explain::{term_of, with_code};
use super::row::{path, refused_because};
use crate::admin::{Desk, doubts, stories};
use crate::console::page::{Page, code, moment, not_found, sentence};
use crate::console::problems;

pub(super) fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/writes/{id}", get(show))
        .route("/writes/{id}/prove", post(prove))
        .route("/writes/{id}/settle", post(settle))
}

/// What is known of a write: its story as long as it is remembered, its record as long as the ledger keeps it.
#[derive(Debug, Default)]
pub(super) struct Known {
    id: String,
    method: String,
    target: String,
    at: u64,
    /// As `/api/stories/ID` tells it.
    story: Option<Value>,
    record: Option<Record>,
    resolution: Option<Resolution>,
}

async fn show(Given(desk): Given<Arc<Desk>>, Path(id): Path<String>) -> Response {
    page(&desk, &id, StatusCode::OK, None).await
}

async fn prove(Given(desk): Given<Arc<Desk>>, Path(id): Path<String>) -> Response {
    let Some(write) = WriteId::parse(&id) else {
        return page(&desk, &id, StatusCode::NOT_FOUND, None).await;
    };
    let (status, said) = match doubts::look(&desk, write).await {
        Ok(Proof::Applied(why)) => (StatusCode::OK, format!("Proven: it was applied; {why}.")),
        Ok(Proof::NotApplied(why)) => (StatusCode::OK, format!("Proven: it was not applied; {why}.")),
        Ok(Proof::Open(why)) => (StatusCode::OK, format!("Still in doubt: {why}.")),
        Err(error) => (StatusCode::CONFLICT, format!("Failed to {error}.")),
    };
    page(&desk, &id, status, Some(&said)).await
}

#[derive(Debug, Deserialize)]
struct Settling {
    /// `applied` or `not-applied`.
    #[serde(default)]
    r#as: String,
    #[serde(default)]
    reason: String,
}

async fn settle(Given(desk): Given<Arc<Desk>>, Path(id): Path<String>, Form(settling): Form<Settling>) -> Response {
    let Some(write) = WriteId::parse(&id) else {
        return page(&desk, &id, StatusCode::NOT_FOUND, None).await;
    };
    let applied = match settling.r#as.as_str() {
        "applied" => Ok(true),
        "not-applied" => Ok(false),
        _ => Err("say whether it was applied or not".to_owned()),
    };
    let said = applied.and_then(|applied| Ok((applied, doubts::reason(&settling.reason, None)?)));
    let (applied, reason) = match said {
        Ok(said) => said,
        Err(why) => {
            return page(
                &desk,
                &id,
                StatusCode::BAD_REQUEST,
                Some(&format!("Not settled: {why}.")),
            )
            .await;
        }
    };
    let (ledger, now) = (desk.engine.ledger(), desk.engine.clock().now());
    match prover::settle(&**ledger, write, applied, ResolvedBy::Person, &reason, now).await {
        // The page is asked for anew, so that reloading it settles nothing twice.
        Ok(_) => Redirect::to(&format!("/writes/{write}")).into_response(),
        Err(error) => page(&desk, &id, StatusCode::CONFLICT, Some(&format!("Failed to {error}."))).await,
    }
}

/// The page of a write; `said`: what came of what was asked for.
async fn page(desk: &Desk, id: &str, status: StatusCode, said: Option<&str>) -> Response {
    let Some(id) = WriteId::parse(id) else {
        return not_found(&format!("write called “{id}”: an id has 32 hexadecimal digits"));
    };
    match known(desk, id).await {
        Some(known) => (
            status,
            Page {
                title: &format!("{} {}", known.method, path(&known.target)),
                place: "/writes",
                scripts: &[],
                wide: false,
                content: html! {
                    @if let Some(said) = said { div.notice role="status" { p { (said) } } }
                    (content(&known))
                },
            },
        )
            .into_response(),
        None => not_found("write with this id: it never came, or it was forgotten when its time was over"),
    }
}

async fn known(desk: &Desk, id: WriteId) -> Option<Known> {
    let ledger = desk.engine.ledger();
    let story = desk.watch.story(id);
    let record = ledger.get(id).await.ok().flatten();
    let resolution = ledger.resolution(id).await.ok().flatten();
    let (method, target, at) = match (&story, &record) {
        (Some(story), _) => (
            story.subject.method.clone(),
            story.subject.target.clone(),
            story.subject.at,
        ),
        (None, Some(record)) => {
            let target = desk.watch.conceal().target(&record.claim.target);
            (record.claim.method.clone(), target, record.claim.at)
        }
        (None, None) => return None,
    };
    Some(Known {
        id: id.to_string(),
        method,
        target,
        at: at.0,
        story: story.as_ref().map(stories::story),
        record,
        resolution,
    })
}

pub(super) fn content(known: &Known) -> Markup {
    let events = events(known);
    let told = events.iter().rev().find(|e| e["what"] == "told").copied();
    html! {
        nav.crumbs aria-label="Where you are" { a href="/writes" { "Writes" } }
        h1.write { span.method { (known.method) } " " (path(&known.target)) }
        div #story data-fresh[running(known)] {
            p.lead { (summary(known, told)) }
            (tags(known, told))
            @if let Some(detail) = told.and_then(|t| t["detail"].as_str()) { p { (with_code(&sentence(detail))) "." } }
            (what_to_do(told))
            (check(known, told))
            (doubt(known))
            @for event in events.iter().filter(|e| e["what"] == "overlap") { (overlap(&event["conflicts"])) }
            section aria-labelledby="timeline" {
                h2 #timeline { "What happened" }
                @if events.is_empty() {
                    p.soft { "The story is not remembered any more: it came before this process started, or too many came since. This is the ledger's record." }
                } @else {
                    ol.timeline { @for event in &events { (step(event)) } }
                    @if let Some(n) = dropped(known) { p.soft { "And " (n) " more that were not kept." } }
                }
            }
            (facts(known))
        }
    }
}

fn events(known: &Known) -> Vec<&Value> {
    let events = known.story.as_ref().and_then(|s| s["events"].as_array());
    events.into_iter().flatten().collect()
}

fn running(known: &Known) -> bool {
    known.story.as_ref().is_some_and(|s| s["ended"] == false)
}

fn dropped(known: &Known) -> Option<u64> {
    known.story.as_ref()?["dropped"].as_u64().filter(|n| *n > 0)
}

/// What became of it, in a sentence or two.
fn summary(known: &Known, told: Option<&Value>) -> String {
    let (outcome, attempts, class) = match (told, known.record.as_ref().map(|r| &r.state)) {
        // A doubt may have been settled since its caller was answered.
        (_, Some(State::Settled(s))) => (s.outcome.as_str().to_owned(), s.attempts.into(), s.class),
        (_, Some(State::InDoubt(d))) => ("in-doubt".to_owned(), d.attempts.into(), None),
        (Some(told), _) => (
            told["outcome"].as_str().unwrap_or_default().to_owned(),
            told["attempts"].as_u64().unwrap_or_default(),
            told["class"].as_str().and_then(Class::from_word),
        ),
        (None, Some(State::Claimed) | None) => return "It is on its way.".into(),
    };
    let sent = match attempts {
        0 if outcome == "not-sent" => String::new(),
        0 => "It was not sent.".to_owned(),
        1 => "It was sent once.".into(),
        n => format!("It was sent {n} times, each time for a reason that is shown below."),
    };
    let came_to = match outcome.as_str() {
        "applied" => "It was applied.",
        "accepted" => "The origin has accepted it, and has not applied it yet.",
        "adopted" => "What it wanted was there already, and was taken for its own.",
        "refused" => match class.and_then(refused_because) {
            Some(why) => &format!("It was refused: {why}."),
            None => "It was refused.",
        },
        "not-sent" => "Nothing was sent, so nothing was changed.",
        _ => "It is not known whether it was applied.",
    };
    // Our own problem says it best.
    let problem = told.and_then(|t| t["problem"].as_str()).and_then(problems::find);
    match problem.filter(|_| outcome == "not-sent") {
        Some(kind) => format!("{}. {came_to}", kind.title()),
        None => format!("{came_to} {sent}").trim_end().to_owned(),
    }
}

fn tags(known: &Known, told: Option<&Value>) -> Markup {
    let class = told.and_then(|t| t["class"].as_str());
    html! {
        p.tags {
            span.tag { (moment(Time(known.at))) }
            @if let Some(told) = told {
                span.tag { "answered " (told["status"]) }
                span.tag { a href="/terms/guarantee" { "guarantee " (told["guarantee"].as_str().unwrap_or_default()) } }
                @for (name, words) in [("rebased", "merged"), ("replayed", "replayed"), ("unguarded", "unguarded"), ("unprotected", "unprotected")] {
                    @if told[name] == true { span.tag { (words) } }
                }
            }
            @if let Some(class) = class {
                @match Class::from_word(class).and_then(term_of) {
                    Some(term) => a.tag.class.(format!("c-{class}")) href={"/terms/" (term.slug)} { (class) },
                    None => span.tag.class.(format!("c-{class}")) { (class) },
                }
            }
        }
    }
}

/// The page that tells more: of our own problem, or of the conflict that the origin answered.
fn what_to_do(told: Option<&Value>) -> Markup {
    let word = |name: &str| told.and_then(|t| t[name].as_str());
    let refused = matches!(word("outcome"), Some("refused"));
    let term = word("class")
        .and_then(Class::from_word)
        .and_then(term_of)
        .filter(|_| refused);
    let page = match (word("problem"), term) {
        (Some(slug), _) => problems::find(slug).map(|kind| (format!("/problems/{slug}"), kind.title())),
        (None, Some(term)) => Some((format!("/terms/{}", term.slug), term.title)),
        (None, None) => None,
    };
    html! {
        @if let Some((href, title)) = page { p.next { "What it means, and what to do: " a href=(href) { (title) } } }
    }
}

/// The way to a check that was not passed here, from wherever one reads this. A target with a concealed part leads nowhere.
fn check(known: &Known, told: Option<&Value>) -> Markup {
    let blocked = told.is_some_and(|t| t["problem"] == Kind::Blocked.slug());
    let whole =
        !known.target.contains(CONCEALED) && ["http://", "https://"].iter().any(|s| known.target.starts_with(s));
    html! {
        @if blocked && whole {
            p { "See what is asked: " a href=(known.target) rel="noreferrer" { "open the page in this browser" } "." }
        }
    }
}

/// The three sides of an overlap: their member, their name, and what it means.
const SIDES: [(&str, &str, &str); 3] = [
    ("base", "Base", "what it started from"),
    ("ours", "Ours", "what this write wanted"),
    ("theirs", "Theirs", "what was there"),
];

/// Base, ours and theirs, field by field.
fn overlap(conflicts: &Value) -> Markup {
    let conflicts = conflicts.as_array().map(Vec::as_slice).unwrap_or_default();
    let side = |conflict: &Value, name: &str| match conflict.get(name) {
        Some(value) => html! { pre { (serde_json::to_string_pretty(value).unwrap_or_default()) } },
        None => html! { span.soft { "absent" } },
    };
    html! {
        section aria-labelledby="overlap" {
            h2 #overlap { "What clashed" }
            p { "Both writers changed these places in different ways. " a href="/terms/overlapping-edit" { "Read more" } "." }
            div.wide tabindex="0" role="group" aria-label="Base, ours and theirs" {
                table.sides.stack role="table" {
                    thead role="rowgroup" {
                        tr role="row" {
                            th scope="col" role="columnheader" { "Place" }
                            @for (_, name, what) in SIDES { th scope="col" role="columnheader" { (name) span.soft { ": " (what) } } }
                        }
                    }
                    tbody role="rowgroup" {
                        @for conflict in conflicts {
                            tr role="row" {
                                th scope="row" role="rowheader" { code { (conflict["pointer"].as_str().filter(|p| !p.is_empty()).unwrap_or("(the whole document)")) } }
                                @for (side_of, name, what) in SIDES {
                                    td role="cell" data-label={(name) ": " (what)} { (side(conflict, side_of)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What is known of an open doubt.
fn doubt(known: &Known) -> Markup {
    let Some(Record {
        state: State::InDoubt(doubt),
        claim,
        ..
    }) = &known.record
    else {
        return html! {};
    };
    let base = format!("/writes/{}", known.id);
    html! {
        section.notice aria-labelledby="doubt" {
            h2 #doubt { "In doubt" }
            dl.facts-list {
                div { dt { "Why" } dd { (doubt.reason.why()) } }
                div { dt { "Since" } dd { (moment(doubt.since)) } }
                div { dt { "Guarded by" } dd { @match claim.held.as_deref() { Some(held) => (version(held)), None => "no version: it could be applied late" } } }
            }
            p { "It is not sent again. Its caller may repeat it, with the same key or the same content: then Tiebreak looks, with the caller's credentials at hand. " a href="/terms/in-doubt" { "What that means" } "." }
            form method="post" action={(base) "/prove"} { p.actions { button type="submit" { "Prove again" } span.soft { "Reads the target, changes nothing." } } }
            form.settle method="post" action={(base) "/settle"} {
                fieldset {
                    legend { "You know what became of it?" }
                    label { input type="radio" name="as" value="applied" required; " It was applied" }
                    label { input type="radio" name="as" value="not-applied" required; " It was not applied, and will not be" }
                    label for="reason" { "How do you know? This is recorded." }
                    input #reason name="reason" required maxlength="400" autocomplete="off";
                    p { button.primary type="submit" { "Settle" } }
                }
            }
        }
    }
}

/// A time since the write came: "7 ms", "1.3 s", "2 min 5 s".
fn took(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        _ => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1_000),
    }
}

/// One event of the timeline.
fn step(event: &Value) -> Markup {
    let what = event["what"].as_str().unwrap_or_default();
    let text = event["text"].as_str().unwrap_or_default();
    let pointers = |name: &str| {
        event[name]
            .as_array()
            .filter(|p| !p.is_empty())
            .cloned()
            .unwrap_or_default()
    };
    html! {
        li.step.(format!("s-{what}")) {
            span.ms { (took(event["ms"].as_u64().unwrap_or_default())) }
            div {
                (text)
                @for evidence in event["evidence"].as_array().into_iter().flatten() {
                    // The first one's words are in the text already.
                    @let signal = evidence["signal"].as_str().filter(|signal| !text.ends_with(signal));
                    @let excerpt = evidence["excerpt"].as_str().filter(|e| !e.is_empty());
                    @if signal.is_some() || excerpt.is_some() {
                        p.evidence-line {
                            @if let Some(signal) = signal { (signal) @if excerpt.is_some() { ": " } }
                            @if let Some(excerpt) = excerpt { span.soft { (evidence["where"].as_str().unwrap_or_default()) } " " code { (excerpt) } }
                        }
                    }
                }
                @if what == "merged" {
                    @for (side, name) in [("ours", "Changed by this write"), ("theirs", "Changed meanwhile")] {
                        @let list = pointers(side);
                        @if !list.is_empty() {
                            p.evidence-line { (name) ": " @for (i, p) in list.iter().enumerate() { @if i > 0 { ", " } code { (p.as_str().unwrap_or_default()) } } }
                        }
                    }
                }
            }
        }
    }
}

/// What a claim holds, in words.
fn version(held: &str) -> Markup {
    let parsed = Held::parse(held);
    let lacked = parsed.as_ref().is_some_and(|held| held.new);
    html! {
        @match parsed.map(|held| held.validator) {
            Some(HeldValidator::Tag(tag)) => (code(&tag.to_string())),
            Some(HeldValidator::Nothing) => "that there is none yet",
            None => @match key_brought(held) {
                Some(field) => { "no version, but a key in " (code(field.as_str())) },
                None => (code(held)),
            }
        }
        @if lacked { span.soft { ", at which it lacked what this write wanted" } }
    }
}

/// What the ledger holds.
fn facts(known: &Known) -> Markup {
    html! {
        section aria-labelledby="record" {
            h2 #record { "Record" }
            dl.facts-list {
                div { dt { "Id" } dd { code { (known.id) } } }
                div { dt { "Target" } dd { code { (known.target) } } }
                @if let Some(story) = &known.story {
                    div { dt { "Caller" } dd { (if story["anonymous"] == true { "anonymous" } else { "with a credential, which is not kept" }) } }
                    div { dt { "Idempotency key" } dd { (if story["keyed"] == true { "yes" } else { "none" }) } }
                }
                @match &known.record {
                    None => { div { dt { "Ledger" } dd { "no record: it was never claimed, or is free again" } } }
                    Some(record) => {
                        div { dt { "Ledger" } dd { (state(&record.state)) ", fence " (record.fence.0) } }
                        @if let Some(held) = &record.claim.held { div { dt { "Version held" } dd { (version(held)) } } }
                        @if let State::Settled(settled) = &record.state {
                            @if !settled.evidence.is_empty() { div { dt { "Deciding signal" } dd { (with_code(&settled.evidence)) } } }
                        }
                    }
                }
                @if let Some(resolution) = &known.resolution {
                    div {
                        dt { "Doubt ended" }
                        dd { (match resolution.by { ResolvedBy::Proof => "by proof: ", ResolvedBy::Person => "by a person: " }) (resolution.reason) }
                    }
                }
            }
        }
    }
}

fn state(state: &State) -> &'static str {
    match state {
        State::Claimed => "claimed",
        State::Settled(_) => "settled",
        State::InDoubt(_) => "in doubt",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(outcome: &str, attempts: u64, class: Option<&str>) -> Value {
        json!({"ms": 3, "what": "told", "text": "t", "status": 409, "outcome": outcome, "attempts": attempts, "class": class, "guarantee": "A",
               "problem": "overlap", "detail": "<b>look</b>"})
    }

    fn known(events: Value) -> Known {
        Known {
            method: "PUT".into(),
            target: "http://a/<script>".into(),
            story: Some(json!({"ended": true, "dropped": 0, "events": events})),
            ..Known::default()
        }
    }

    #[test]
    fn a_summary_says_what_became_of_it() {
        let said = |outcome, attempts, class| summary(&known(json!([])), Some(&told(outcome, attempts, class)));
        assert_eq!(said("applied", 1, None), "It was applied. It was sent once.");
        assert_eq!(
            said("refused", 0, Some("duplicate")),
            "It was refused: it exists already. It was not sent."
        );
        let base = json!({"outcome": "not-sent", "attempts": 0, "problem": "base-unknown"});
        let unknown = summary(&known(json!([])), Some(&base));
        assert_eq!(
            unknown,
            "It is not known which version you edited. Nothing was sent, so nothing was changed."
        );
        assert!(said("in-doubt", 1, None).starts_with("It is not known"));
        assert_eq!(summary(&known(json!([])), None), "It is on its way.");
    }

    #[test]
    fn times_are_told_in_fitting_units() {
        assert_eq!(
            [0, 999, 1_999, 125_400].map(took),
            ["0 ms", "999 ms", "1.9 s", "2 min 5 s"]
        );
    }

    #[test]
    fn what_to_do_is_one_link_away() {
        let link = |event: Value| what_to_do(Some(&event)).into_string();
        let ours = link(json!({"outcome": "not-sent", "class": "stale", "problem": "overlap"}));
        assert!(
            ours.contains("href=\"/problems/overlap\"") && ours.contains("overlaps"),
            "{ours}"
        );
        let theirs = link(json!({"outcome": "refused", "class": "duplicate", "problem": null}));
        assert!(theirs.contains("href=\"/terms/duplicate-create\""), "{theirs}");
        assert_eq!(
            link(json!({"outcome": "applied", "class": "stale", "problem": null})),
            ""
        );
    }

    #[test]
    fn a_check_can_be_opened_elsewhere() {
        let page = |target: &str, problem: &str| {
            let known = Known {
                target: target.into(),
                ..known(json!([]))
            };
            check(&known, Some(&json!({ "problem": problem }))).into_string()
        };
        let html = page("https://a.example/x?a=1&b=\"2", "blocked");
        assert!(
            html.contains("href=\"https://a.example/x?a=1&amp;b=&quot;2\" rel=\"noreferrer\""),
            "{html}"
        );
        assert_eq!(page("https://a.example/x", "overlap"), "");
        assert_eq!(page("https://a.example/x?token=(concealed)", "blocked"), "");
        assert_eq!(page("javascript:alert(1)", "blocked"), "");
    }

    #[test]
    fn an_overlap_stands_side_by_side_and_hostile_values_are_text() {
        let conflicts = json!([{"pointer": "/a/<i>", "base": 1, "ours": "<script>alert(1)</script>"}]);
        let events = json!([
            {"ms": 1, "what": "judged", "text": "judged stale", "evidence": [{"signal": "s", "where": "body", "excerpt": "<img src=x>"}]},
            {"ms": 2, "what": "overlap", "text": "1 overlaps", "conflicts": conflicts},
            told("refused", 1, Some("stale")),
        ]);
        let html = content(&known(events)).into_string();
        for bad in ["<script>", "<img", "<i>", "<b>"] {
            assert!(!html.contains(bad), "{bad}: {html}");
        }
        assert!(
            html.contains("&lt;script&gt;alert(1)") && html.contains("absent"),
            "{html}"
        );
        assert!(
            html.contains("href=\"/problems/overlap\"") && html.contains("href=\"/terms/stale-version\""),
            "{html}"
        );
    }
}
