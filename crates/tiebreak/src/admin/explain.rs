//! `POST /api/explain`: the answer of `tiebreak explain --json`, with the places of the evidence in the text.

use std::sync::Arc;

use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tiebreak_core::judge::Judge;

use super::Desk;
use super::refusal::refusal;
use crate::explain::read::{self, Given};
use crate::explain::show;

/// The longest text, in bytes.
const LARGEST: usize = 4 << 20;

/// `/api/explain`.
pub(super) fn routes() -> Router<Arc<Desk>> {
    let explain = post(explain).layer(DefaultBodyLimit::max(LARGEST));
    Router::new().route("/api/explain", explain)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Beside {
    status: Option<u16>,
    method: Option<String>,
    path: Option<String>,
    entry: Option<usize>,
}

async fn explain(
    State(desk): State<Arc<Desk>>,
    beside: Result<Query<Beside>, QueryRejection>,
    text: Result<Bytes, BytesRejection>,
) -> Response {
    let (Query(beside), text) = match (beside, text) {
        (Ok(beside), Ok(text)) => (beside, text),
        (Err(error), _) => return refusal(StatusCode::BAD_REQUEST, error.body_text()),
        (_, Err(error)) => {
            let why = format!(
                "failed to read the text: {}; it may have {} MiB",
                error.body_text(),
                LARGEST >> 20
            );
            return refusal(error.status(), why);
        }
    };
    let given = match beside.given() {
        Ok(given) => given,
        Err(why) => return refusal(StatusCode::BAD_REQUEST, why),
    };
    // One at a time: it is work for the processor, and people paste one text at a time.
    let Ok(turn) = Arc::clone(&desk.explaining).acquire_owned().await else {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "the gateway is stopping");
    };
    let judge = Arc::clone(&desk.judge);
    let work = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        explained(&judge, &text, &given)
    });
    match work.await {
        Ok(Ok(cases)) => Json(json!({ "cases": cases })).into_response(),
        Ok(Err(why)) => refusal(
            StatusCode::UNPROCESSABLE_ENTITY,
            format!("failed to read the text: {why}"),
        ),
        Err(_) => refusal(
            StatusCode::INTERNAL_SERVER_ERROR,
            "an internal error ended the explanation",
        ),
    }
}

impl Beside {
    fn given(self) -> Result<Given, String> {
        let status = self
            .status
            .map(|s| StatusCode::from_u16(s).map_err(|_| "`status` is a number from 100 to 999"));
        let method = self.method.filter(|m| !m.is_empty()).map(|m| {
            Method::from_bytes(m.to_ascii_uppercase().as_bytes()).map_err(|_| "`method` is no method, such as PUT")
        });
        Ok(Given {
            status: status.transpose()?,
            method: method.transpose()?,
            path: self.path.filter(|p| !p.is_empty()),
            headers: Vec::new(),
            entry: self.entry,
        })
    }
}

fn explained(judge: &Judge, text: &[u8], given: &Given) -> Result<Vec<Value>, String> {
    let input = read::read(text, given).map_err(|e| e.to_string())?;
    let lines = show(judge, input, true);
    let shown = String::from_utf8_lossy(text);
    let cases = lines
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    Ok(cases
        .map(|mut case| {
            for evidence in case["evidence"].as_array_mut().into_iter().flatten() {
                let place = evidence["where"].as_str().unwrap_or_default();
                let excerpt = evidence["excerpt"].as_str().unwrap_or_default();
                evidence["at"] = place_of(&shown, place, excerpt).map_or(Value::Null, |(from, to)| json!([from, to]));
            }
            case
        })
        .collect())
}

/// Where `excerpt` stands in the text: from and to, in UTF-16 code units, as scripts in a browser count.
fn place_of(text: &str, place: &str, excerpt: &str) -> Option<(usize, usize)> {
    let excerpt = excerpt.trim_end_matches('…').trim();
    if excerpt.is_empty() {
        return None;
    }
    // Where what it is about begins: a field's name, or the content behind the empty line.
    let begin = match place.split_once(' ') {
        Some(("header", name)) => position(text, &format!("{name}:"))?,
        _ if place.starts_with("body") => content_of(text),
        _ => 0,
    };
    let quoted = serde_json::to_string(excerpt).unwrap_or_default();
    let escaped = quoted.trim_matches('"');
    let found = |from: usize| {
        let rest = &text[from..];
        let at = |part: &str| rest.find(part).map(|at| (from + at, part.len()));
        at(excerpt).or_else(|| at(escaped))
    };
    let (at, length) = found(begin).or_else(|| found(0))?;
    let units = |text: &str| text.encode_utf16().count();
    let from = units(&text[..at]);
    Some((from, from + units(&text[at..at + length])))
}

/// Where a name stands at the beginning of a line, whatever its case; curl marks the lines of `-v`.
fn position(text: &str, name: &str) -> Option<usize> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = line.len() - line.trim_start_matches(['<', '>', ' ']).len();
        if line
            .get(start..start + name.len())
            .is_some_and(|l| l.eq_ignore_ascii_case(name))
        {
            return Some(at + start);
        }
        at += line.len();
    }
    None
}

fn content_of(text: &str) -> usize {
    let ends = ["\r\n\r\n", "\n\n"]
        .iter()
        .filter_map(|end| text.find(end).map(|at| at + end.len()));
    ends.min().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "HTTP/1.1 409 Conflict\r\nContent-Type: application/json\r\nX-Ä: 409\r\n\r\n{\"error\": \"409: name \\\"x\\\" is taken\"}";

    fn marked(place: &str, excerpt: &str) -> Option<String> {
        let (from, to) = place_of(ANSWER, place, excerpt)?;
        let units: Vec<u16> = ANSWER.encode_utf16().skip(from).take(to - from).collect();
        Some(String::from_utf16(&units).unwrap())
    }

    #[test]
    fn evidence_is_found_where_it_stands() {
        assert_eq!(place_of(ANSWER, "status", "409"), Some((9, 12)));
        assert_eq!(
            marked("header content-type", "application/json").as_deref(),
            Some("application/json")
        );
        let in_body = place_of(ANSWER, "body /error", "409").unwrap();
        assert!(in_body.0 > 70, "{in_body:?}");
        assert_eq!(
            marked("body /error", "name \"x\" is taken…").as_deref(),
            Some("name \\\"x\\\" is taken"),
            "also as it is escaped there"
        );
        assert_eq!(marked("body", "not there"), None);
        assert_eq!(marked("body", ""), None);
    }
}
