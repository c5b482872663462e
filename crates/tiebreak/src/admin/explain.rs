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
use crate::explain::place::places;
use crate::explain::read::{self, Given};
use crate::explain::{told, worth_telling};

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
    let shown = String::from_utf8_lossy(text);
    let cases = worth_telling(judge, input).into_iter();
    Ok(cases
        .map(|(entry, case)| {
            let (mut whole, verdict) = told(judge, entry, &case);
            let found = places(&shown, &verdict.evidence);
            let evidence = whole["evidence"].as_array_mut().into_iter().flatten();
            for (evidence, at) in evidence.zip(found) {
                // As scripts in a browser count.
                let units = |to: usize| shown[..to].encode_utf16().count();
                evidence["at"] = at.map_or(Value::Null, |at| json!([units(at.start), units(at.end)]));
            }
            whole
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_as_scripts_do() {
        let text = "HTTP/1.1 409 Conflict\r\nX-Ä: 😀\r\nContent-Type: application/json\r\n\r\n{\"error\":\"😀 already exists\"}";
        let cases = explained(&Judge::standard(), text.as_bytes(), &Given::default()).unwrap();
        let units: Vec<u16> = text.encode_utf16().collect();
        let marked: Vec<String> = cases[0]["evidence"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|e| {
                let at = |n: usize| usize::try_from(e["at"][n].as_u64()?).ok();
                Some(String::from_utf16(units.get(at(0)?..at(1)?)?).unwrap())
            })
            .collect();
        assert!(marked.iter().any(|m| m.contains("already exists")), "{cases:?}");
    }
}
