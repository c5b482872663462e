//! Searching all writes: those of the ledger, and those that memory alone has.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use maud::{Markup, html};
use serde::Deserialize;
use tiebreak_core::outcome::Outcome;
use tiebreak_core::record::WriteId;
use tiebreak_core::verdict::Class;
use tiebreak_ledger::LedgerError;

use super::row::{Row, table};
use crate::admin::unrecorded::unrecorded;
use crate::admin::writes::{Search, Wanted};
use crate::admin::{Desk, stories};
use crate::console::page::{Page, count_of, sentence};

/// So many are shown at once.
const PAGE: usize = 50;

pub(super) fn routes() -> Router<Arc<Desk>> {
    Router::new().route("/writes", get(search))
}

/// The form, as a browser sends it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    /// A part of the target, or an id; with a key the whole target.
    q: String,
    class: String,
    state: String,
    key: String,
    method: String,
    /// As `<input type="datetime-local">` writes them, in UTC.
    from: String,
    to: String,
    /// The write that the page before ended with.
    before: String,
}

/// A page of what was found.
#[derive(Debug, Default)]
struct Shown {
    rows: Vec<Row>,
    next: Option<WriteId>,
}

impl Asked {
    fn wanted(&self) -> Result<Wanted, String> {
        let filled = |text: &str| Some(text.trim().to_owned()).filter(|t| !t.is_empty());
        let keyed = filled(&self.key).is_some();
        if keyed && (filled(&self.method).is_none() || filled(&self.q).is_none()) {
            return Err(
                "a key is kept as a digest with its method and target: fill in the method, and the whole URL as target"
                    .into(),
            );
        }
        Ok(Wanted {
            q: filled(&self.q),
            target: filled(&self.q).filter(|_| keyed),
            key: filled(&self.key),
            method: filled(&self.method),
            class: filled(&self.class),
            state: filled(&self.state),
            from: filled(&self.from).map(|t| instant(&t)).transpose()?,
            to: filled(&self.to).map(|t| instant(&t)).transpose()?,
            before: filled(&self.before),
            limit: Some(PAGE),
        })
    }

    /// The same search, going on before that write, or from its beginning.
    fn at(&self, before: Option<WriteId>) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let given = [
            ("q", &self.q),
            ("class", &self.class),
            ("state", &self.state),
            ("key", &self.key),
            ("method", &self.method),
            ("from", &self.from),
            ("to", &self.to),
        ];
        for (name, value) in given.into_iter().filter(|(_, value)| !value.is_empty()) {
            query.append_pair(name, value);
        }
        if let Some(id) = before {
            query.append_pair("before", &id.to_string());
        }
        format!("/writes?{}", query.finish())
    }
}

/// Ms since 1970 of `2026-11-22T15:04` or `2026-11-22T15:04:05`, in UTC.
fn instant(text: &str) -> Result<u64, String> {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let read = || {
        let (date, time) = text.split_once('T')?;
        let mut parts = date.split('-');
        let (year, month, day) = (parts.next()?, parts.next()?.parse::<usize>().ok()?, parts.next()?);
        let month = MONTHS.get(month.checked_sub(1)?)?;
        let seconds = if time.len() == 5 { ":00" } else { "" };
        // An HTTP date names its day of the week, and only one of them is right.
        let mut dates = DAYS
            .iter()
            .map(|name| format!("{name}, {day} {month} {year} {time}{seconds} GMT"));
        let at = dates.find_map(|date| httpdate::parse_http_date(&date).ok())?;
        u64::try_from(at.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
    };
    read().ok_or_else(|| format!("`{text}` is no time such as 2026-11-22T15:04"))
}

async fn search(State(desk): State<Arc<Desk>>, Query(asked): Query<Asked>) -> Response {
    let search = asked
        .wanted()
        .and_then(|wanted| wanted.search(&desk.engine.options().callers));
    let (status, shown) = match search {
        Ok(Search::Id(id)) => return Redirect::to(&format!("/writes/{id}")).into_response(),
        Ok(search) => match find(&desk, search).await {
            Ok(shown) => (StatusCode::OK, Ok(shown)),
            Err(error) => (StatusCode::SERVICE_UNAVAILABLE, Err(format!("failed to {error}"))),
        },
        Err(why) => (StatusCode::BAD_REQUEST, Err(why)),
    };
    let page = Page {
        title: "Writes",
        place: "/writes",
        scripts: &[],
        wide: true,
        content: content(&asked, &shown),
    };
    (status, page).into_response()
}

async fn find(desk: &Desk, search: Search) -> Result<Shown, LedgerError> {
    let range = match &search {
        Search::Query(query, before, _) => Some((query.clone(), *before)),
        Search::Id(_) | Search::Key(_) => None,
    };
    let found = search.find(&**desk.engine.ledger()).await?;
    let conceal = desk.watch.conceal();
    let records = found.records.iter();
    let mut rows: Vec<(WriteId, Row)> = records
        .map(|r| (r.claim.id, Row::of_record(r, conceal.target(&r.claim.target))))
        .collect();
    let mut next = found.next;
    if let Some((query, before)) = range {
        let stories = unrecorded(desk, &query, before, &found, PAGE + 1).await?;
        rows.extend(
            stories
                .iter()
                .map(|s| (s.subject.id, Row::of_story(&stories::brief(s)))),
        );
        rows.sort_unstable_by_key(|(id, _)| std::cmp::Reverse(*id));
        if rows.len() > PAGE {
            rows.truncate(PAGE);
            next = rows.last().map(|(id, _)| *id);
        }
    }
    Ok(Shown {
        rows: rows.into_iter().map(|(_, row)| row).collect(),
        next,
    })
}

fn content(asked: &Asked, shown: &Result<Shown, String>) -> Markup {
    let first = asked.before.is_empty();
    let more = [&asked.key, &asked.method, &asked.from, &asked.to];
    html! {
        h1 { "Writes" }
        form.search role="search" method="get" action="/writes" {
            div.grow {
                label for="q" { "Id, or a part of the target" }
                input #q type="search" name="q" value=(asked.q) spellcheck="false" autocapitalize="off" placeholder="/items/7";
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
                    option value="claimed" selected[asked.state == "claimed"] { "on its way" }
                    @for outcome in Outcome::ALL {
                        option value=(outcome.as_str()) selected[asked.state == outcome.as_str()] { (outcome.as_str()) }
                    }
                }
            }
            button.primary type="submit" { "Search" }
            details open[more.iter().any(|text| !text.is_empty())] {
                summary { "By time or key" }
                div.fields {
                    div { label for="from" { "From (UTC)" } input #from type="datetime-local" name="from" value=(asked.from); }
                    div { label for="to" { "Until (UTC)" } input #to type="datetime-local" name="to" value=(asked.to); }
                    div { label for="key" { "Idempotency key" } input #key name="key" value=(asked.key) spellcheck="false" autocapitalize="off" autocomplete="off"; }
                    div { label for="method" { "with the method" } input #method name="method" size="8" value=(asked.method) placeholder="PUT"; }
                }
                p.soft { "Of a key the ledger has a digest only: give the method and, as target, the whole URL as well." }
            }
        }
        @match shown {
            Err(why) => div.notice role="alert" { p { strong { "Nothing was searched: " } (why) "." } }
            Ok(shown) => {
                div #found data-fresh[first] {
                    p.soft role="status" { (summary(shown, first)) }
                    @if !shown.rows.is_empty() { (table("Writes", &shown.rows)) }
                    @if shown.next.is_some() || !first {
                        nav.pager aria-label="More writes" {
                            @if !first { a.button href=(asked.at(None)) { "Newest" } }
                            @if let Some(id) = shown.next { a.button rel="next" href=(asked.at(Some(id))) { "Older" } }
                        }
                    }
                }
            }
        }
    }
}

/// What was found, in words.
fn summary(shown: &Shown, first: bool) -> String {
    let count = count_of(shown.rows.len() as u64, "write", "writes");
    match (shown.rows.is_empty(), shown.next.is_some(), first) {
        (true, false, _) => "No write.".into(),
        (true, true, _) => "None among those that were looked at; there are older ones.".into(),
        (_, false, true) => format!("{}, the newest first.", sentence(&count)),
        (_, true, true) => format!("The newest {count}; there are more."),
        (_, true, false) => format!("{} more, and there are older ones.", sentence(&count)),
        (_, false, false) => format!("{}; these are the last.", sentence(&count)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(q: &str, before: &str) -> Asked {
        Asked {
            q: q.into(),
            before: before.into(),
            ..Asked::default()
        }
    }

    #[test]
    fn times_are_read_as_browsers_write_them() {
        assert_eq!(instant("1970-01-02T00:00"), Ok(86_400_000));
        assert_eq!(instant("2026-11-22T15:54:01"), Ok(1_795_362_841_000));
        for wrong in [
            "yesterday",
            "2026-13-01T00:00",
            "2026-02-30T00:00",
            "2026-00-01T00:00",
            "T",
            "2026-11-22T15",
        ] {
            assert!(instant(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_key_needs_what_its_digest_is_made_of() {
        let keyed = |q: &str, method: &str| {
            Asked {
                key: "k".into(),
                method: method.into(),
                ..asked(q, "")
            }
            .wanted()
        };
        assert!(keyed("", "PUT").unwrap_err().contains("the whole URL"));
        assert!(keyed("http://a.example/1", "").is_err());
        let wanted = keyed(" http://a.example/1 ", "put").unwrap();
        assert_eq!(wanted.target.as_deref(), Some("http://a.example/1"));
    }

    #[test]
    fn pages_follow_each_other() {
        let shown = |next| {
            Ok(Shown {
                rows: vec![Row::default()],
                next,
            })
        };
        let id = WriteId([7; 16]);
        let first = content(&asked("a&b", ""), &shown(Some(id))).into_string();
        assert!(first.contains(&format!("/writes?q=a%26b&amp;before={id}")), "{first}");
        assert!(
            first.contains("The newest 1 write; there are more.") && !first.contains("Newest<"),
            "{first}"
        );
        let last = content(&asked("a&b", "x"), &shown(None)).into_string();
        assert!(
            last.contains("href=\"/writes?q=a%26b\"") && !last.contains("Older"),
            "{last}"
        );
    }

    #[test]
    fn what_is_wrong_is_said_beside_the_form() {
        let html = content(&asked("<b>", ""), &Err("`x` is no <time>".into())).into_string();
        assert!(
            html.contains("is no &lt;time&gt;") && html.contains("value=\"&lt;b&gt;\""),
            "{html}"
        );
    }
}
