//! Paste an answer: which conflict it is, with the evidence marked in what was pasted.

use std::ops::Range;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Form, Router};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;
use tiebreak_core::judge::Judge;
use tiebreak_core::problem::{BASE, Kind};
use tiebreak_core::verdict::{Class, Confidence, Evidence, Verdict};

use crate::admin::Desk;
use crate::console::page::{Page, code, sentence};
use crate::console::problems;
use crate::console::terms::Terms;
use crate::explain::case::Case;
use crate::explain::place::places;
use crate::explain::read::{Given, Input, read};
use crate::explain::words::{Explanation, Repeat, explain};
use crate::explain::{is_conflict, judged};

/// The longest text that is taken.
const LARGEST: usize = 4 << 20;
/// So much of it is shown again.
const SHOWN: usize = 64 << 10;
/// So many conflicts of a HAR file are explained.
const MOST: usize = 20;

const EXAMPLE: &str = "HTTP/1.1 409 Conflict\nContent-Type: application/json\n\n{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"reason\":\"Conflict\",\"message\":\"Operation cannot be fulfilled on deployments.apps \\\"web\\\": the object has been modified; please apply your changes to the latest version and try again\",\"code\":409}";

pub(super) fn routes() -> Router<Arc<Desk>> {
    // The form may grow threefold on its way, in percent signs.
    let limit = DefaultBodyLimit::max(LARGEST * 3);
    Router::new().route("/explain", get(ask).post(answer).layer(limit))
}

#[derive(Debug, Default, Deserialize)]
struct Asked {
    #[serde(default)]
    text: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    method: String,
    #[serde(default)]
    path: String,
    /// The example is asked for.
    #[serde(default)]
    example: String,
}

async fn ask() -> Response {
    page(&Asked::default(), html! {}).into_response()
}

async fn answer(State(desk): State<Arc<Desk>>, Form(mut asked): Form<Asked>) -> Response {
    if !asked.example.is_empty() {
        asked = Asked {
            text: EXAMPLE.into(),
            ..Asked::default()
        };
    }
    let judge = Arc::clone(desk.engine.judge());
    // A large HAR file takes a while; others are not to wait for it.
    let told = tokio::task::spawn_blocking(move || {
        let told = told(&judge, &asked);
        (asked, told)
    });
    match told.await {
        Ok((asked, Ok(told))) => page(&asked, told).into_response(),
        Ok((asked, Err(why))) => {
            let told = html! { div.notice role="alert" { p { strong { "This cannot be read: " } (why) "." } } };
            (StatusCode::UNPROCESSABLE_ENTITY, page(&asked, told)).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn page(asked: &Asked, told: Markup) -> Page<'static> {
    let content = html! {
        h1 { "Explain an answer" }
        p.lead { "Paste the output of " (code("curl -i")) " or " (code("curl -v")) ", raw HTTP, a HAR file or JSON. It stays on this machine." }
        (told)
        form.explain method="post" action="/explain" {
            label for="text" { "The answer" }
            textarea #text name="text" rows="10" required spellcheck="false" autocapitalize="off"
                placeholder=(EXAMPLE) { "\n" (asked.text) }
            details open[!(asked.status.is_empty() && asked.method.is_empty() && asked.path.is_empty())] {
                summary { "What the text does not show" }
                div.fields {
                    div { label for="status" { "Status" } input #status name="status" inputmode="numeric" size="6" placeholder="409" value=(asked.status); }
                    div { label for="method" { "Method" } input #method name="method" size="8" placeholder="PUT" value=(asked.method); }
                    div { label for="path" { "Path or URL" } input #path name="path" size="28" placeholder="/items/7" value=(asked.path); }
                }
            }
            p.actions {
                button.primary type="submit" { "Explain" }
                button type="submit" name="example" value="1" formnovalidate { "Show me with the example" }
            }
        }
    };
    Page {
        title: "Explain",
        place: "/explain",
        scripts: &[],
        wide: false,
        content,
    }
}

/// What is said about it; or why it cannot be read.
fn told(judge: &Judge, asked: &Asked) -> Result<Markup, String> {
    let given = given(asked)?;
    // Browsers send lines with CRLF; what was marked is to be found again.
    let text = asked.text.replace("\r\n", "\n");
    let input = read(text.as_bytes(), &given).map_err(|e| e.to_string())?;
    Ok(match input {
        Input::One(case) => one(judge, None, &case, &text),
        Input::Many(cases) => {
            let all = cases.len();
            let mut conflicts = cases.iter().filter(|(_, case)| is_conflict(judge, case));
            let shown: Vec<Markup> = conflicts
                .by_ref()
                .take(MOST)
                .map(|(n, case)| one(judge, Some(*n), case, ""))
                .collect();
            let more = conflicts.count();
            html! {
                @if shown.is_empty() { div.notice role="status" { p { "No conflict among " (all) " answered entries." } } }
                @for markup in shown { (markup) }
                @if more > 0 { p { "And " (more) " more; " code { "tiebreak explain" } " shows all of them." } }
            }
        }
    })
}

fn given(asked: &Asked) -> Result<Given, String> {
    let filled = |text: &str| Some(text.trim().to_owned()).filter(|t| !t.is_empty());
    let status = filled(&asked.status).map(|s| {
        s.parse()
            .map_err(|_| format!("the status `{s}` is no number from 100 to 999"))
    });
    let method = filled(&asked.method).map(|m| {
        Method::from_bytes(m.to_ascii_uppercase().as_bytes()).map_err(|_| format!("`{m}` is no method, such as PUT"))
    });
    Ok(Given {
        status: status.transpose()?,
        method: method.transpose()?,
        path: filled(&asked.path),
        ..Given::default()
    })
}

fn one(judge: &Judge, entry: Option<usize>, case: &Case, text: &str) -> Markup {
    let verdict = judged(judge, case);
    let said = explain(case, &verdict);
    html! {
        section.verdict aria-labelledby={"verdict-" (entry.unwrap_or(0))} {
            p.tags {
                @if let Some(n) = entry { span.tag { "Entry " (n) } }
                span.tag { (case.response.status.as_u16()) " " (case.response.status.canonical_reason().unwrap_or_default()) }
                span.tag.class.(format!("c-{}", verdict.class.as_str())) { (verdict.class.as_str()) }
                span.tag { (sure(&verdict)) }
            }
            h2 id={"verdict-" (entry.unwrap_or(0))} { (sentence(&said.headline)) }
            p { (said.meaning) }
            p.repeat.(match said.repeat { Repeat::Later => "later", Repeat::Useless => "useless", Repeat::No => "no" }) {
                strong { "Send the same request again? " (said.repeat.phrase()) } " " (said.repeat_because)
            }
            h3 { "What to do" }
            (steps(&said))
            (evidence(&verdict, text))
            @if !said.notes.is_empty() {
                h3 { "Good to know" }
                ul { @for note in &said.notes { li { (with_code(note)) } } }
            }
            @if let Some(kind) = own_problem(case) { p.next { "What it means, and what to do: " a href={"/problems/" (kind.slug())} { (kind.title()) } } }
            @if let Some(term) = term_of(verdict.class) { p { "Read more: " a href={"/terms/" (term.slug)} { (term.title) } } }
        }
    }
}

fn steps(said: &Explanation) -> Markup {
    html! {
        ol {
            @for step in &said.steps {
                li {
                    (with_code(&step.text))
                    @if let Some(command) = &step.command {
                        div.wide tabindex="0" role="group" aria-label="Command" { pre { code { (command) } } }
                    }
                }
            }
        }
    }
}

fn evidence(verdict: &Verdict, text: &str) -> Markup {
    let marks = marks(text, &verdict.evidence);
    html! {
        h3 { "Evidence" }
        ol.evidence {
            @for e in &verdict.evidence {
                li {
                    (e.signal)
                    @if !e.excerpt.is_empty() { ": " span.soft { (e.place) } " " code { (e.excerpt) } }
                }
            }
        }
        @for item in verdict.items.iter().take(50) {
            p { "Item " (item.index) @if let Some(id) = &item.id { " (" (id) ")" } ": " (item.verdict.class.as_str()) ", " (item.verdict.reason()) }
        }
        @if !marks.is_empty() {
            div.wide tabindex="0" role="group" aria-label="The answer, with the evidence marked" {
                pre.marked { (marked(text, &marks)) }
            }
        }
    }
}

/// Text in which backticks mean code.
pub(super) fn with_code(text: &str) -> Markup {
    html! {
        @for (i, part) in text.split('`').enumerate() {
            @if i % 2 == 1 { (code(part)) } @else { (part) }
        }
    }
}

/// Where in `text` each piece of evidence stands, as far as it is shown: the range and its number, in order.
fn marks(text: &str, evidence: &[Evidence]) -> Vec<(Range<usize>, usize)> {
    let found = places(text, evidence);
    let numbered = found.into_iter().zip(1..);
    let mut marks: Vec<_> = numbered
        .filter_map(|(range, number)| Some((range.filter(|r| r.end <= SHOWN)?, number)))
        .collect();
    marks.sort_by_key(|(range, _)| range.start);
    marks
}

fn marked(text: &str, marks: &[(Range<usize>, usize)]) -> Markup {
    let end = (0..=text.len().min(SHOWN))
        .rev()
        .find(|n| text.is_char_boundary(*n))
        .unwrap_or(0);
    let starts = std::iter::once(0).chain(marks.iter().map(|(r, _)| r.end));
    let ends = marks.iter().map(|(r, _)| r.start).chain([end]);
    let between: Vec<&str> = starts
        .zip(ends)
        .map(|(a, b)| text.get(a..b).unwrap_or_default())
        .collect();
    html! {
        @for (i, plain) in between.iter().enumerate() {
            (plain)
            @if let Some((range, number)) = marks.get(i) {
                mark title={"Evidence " (number)} { (&text[range.clone()]) sup { (number) } }
            }
        }
        @if end < text.len() { "…" }
    }
}

fn sure(verdict: &Verdict) -> String {
    match (&verdict.dialect, verdict.confidence) {
        (Some(dialect), _) => format!("as documented for {dialect}"),
        (None, Confidence::High) => "sure".into(),
        (None, Confidence::Medium) => "likely, by its wording".into(),
        (None, Confidence::Low) => "a guess".into(),
    }
}

/// Which of our own problems it is, if it is one.
fn own_problem(case: &Case) -> Option<Kind> {
    let document: Value = serde_json::from_slice(&case.response.content).ok()?;
    problems::find(document["type"].as_str()?.strip_prefix(BASE)?)
}

/// The term that belongs to a class.
pub(super) fn term_of(class: Class) -> Option<&'static crate::console::terms::Term> {
    let slug = match class {
        Class::Duplicate => "duplicate-create",
        Class::Stale => "stale-version",
        Class::Race => "racing-writes",
        Class::InProgress => "idempotency-key",
        Class::KeyReuse => "key-reuse",
        Class::State => "state-conflict",
        Class::Invalid => "422",
        Class::Blocked => "bot-block",
        Class::Other | Class::Unclear => return None,
    };
    let terms = Terms::get();
    terms.position(slug).map(|at| &terms.all[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(text: &str) -> String {
        let asked = Asked {
            text: text.into(),
            ..Asked::default()
        };
        told(&Judge::standard(), &asked).unwrap().into_string()
    }

    #[test]
    fn the_evidence_is_marked_where_it_stands() {
        let html = explained(&EXAMPLE.replace('\n', "\r\n"));
        assert!(html.contains("class=\"tag class c-stale\""), "{html}");
        assert!(html.contains("<mark"), "{html}");
        assert!(
            html.contains("reason&quot;:&quot;<mark title=\"Evidence 1\">Conflict<sup>1</sup></mark>"),
            "{html}"
        );
        let text = "a <mark> b";
        let evidence = |excerpt: &str| Evidence {
            signal: "s".into(),
            place: "body".into(),
            excerpt: excerpt.into(),
        };
        let found = marks(
            text,
            &[evidence("b"), evidence("<mark>"), evidence("mark"), evidence("missing")],
        );
        assert_eq!(found, [(2..8, 2), (9..10, 1)]);
        let shown = marked(text, &found).into_string();
        assert!(
            shown.starts_with("a <mark title=\"Evidence 2\">&lt;mark&gt;<sup>2"),
            "{shown}"
        );
    }

    #[test]
    fn our_own_problem_leads_to_its_page() {
        let head = "HTTP/1.1 409 Conflict\nContent-Type: application/problem+json\n\n";
        let html = explained(&format!(
            "{head}{{\"type\":\"https://tiebreak.dev/problems/overlap\",\"status\":409}}"
        ));
        assert!(html.contains("href=\"/problems/overlap\""), "{html}");
        let other = explained(&format!(
            "{head}{{\"type\":\"https://a.example/overlap\",\"status\":409}}"
        ));
        assert!(!other.contains("/problems/"), "{other}");
    }

    #[test]
    fn a_hostile_answer_is_shown_as_text() {
        let hostile = "HTTP/1.1 409 <script>alert(1)</script>\nContent-Type: text/html\nETag: \"<img src=x>\"\n\n<script>alert('already exists')</script>";
        let html = explained(hostile);
        assert!(!html.contains("<script") && !html.contains("<img"), "{html}");
        let asked = Asked {
            text: hostile.into(),
            path: "\"><script>".into(),
            ..Asked::default()
        };
        let whole = page(&asked, told(&Judge::standard(), &asked).unwrap())
            .render()
            .into_string();
        assert!(!whole.contains("<script>"), "{whole}");
    }

    #[test]
    fn what_is_wrong_with_the_input_is_said() {
        let fault = |text: &str, status: &str| {
            let asked = Asked {
                text: text.into(),
                status: status.into(),
                ..Asked::default()
            };
            told(&Judge::standard(), &asked).unwrap_err()
        };
        assert!(fault("", "").contains("empty"));
        assert!(fault("x", "four").contains("`four`"));
    }
}
