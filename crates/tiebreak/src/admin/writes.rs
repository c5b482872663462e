//! `/api/writes`: searching the ledger, and all that is known of one write.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query as Asked, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use tiebreak_core::key::IdempotencyKey;
use tiebreak_core::record::{Record, WriteId};
use tiebreak_core::request::Target;
use tiebreak_core::time::Time;
use tiebreak_core::verdict::Class;
use tiebreak_ledger::LedgerError;
use tiebreak_ledger::search::{Became, Found, MAX_FOUND, Query};

use super::refusal::refusal;
use super::{Desk, records, stories};

/// Unless asked for another number.
const LIMIT: usize = 50;

/// `/api/writes` and `/api/writes/{id}`.
pub(super) fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/api/writes", get(search))
        .route("/api/writes/{id}", get(one))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// An id, or a part of a target.
    q: Option<String>,
    target: Option<String>,
    key: Option<String>,
    method: Option<String>,
    class: Option<String>,
    state: Option<String>,
    from: Option<u64>,
    to: Option<u64>,
    before: Option<String>,
    limit: Option<usize>,
}

/// Empty inputs of a form are none.
fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().map(str::trim).filter(|t| !t.is_empty())
}

async fn search(State(desk): State<Arc<Desk>>, wanted: Result<Asked<Wanted>, QueryRejection>) -> Response {
    let wanted = match wanted {
        Ok(Asked(wanted)) => wanted,
        Err(error) => return refusal(StatusCode::BAD_REQUEST, error.body_text()),
    };
    let found = match find(&desk, &wanted).await {
        Ok(found) => found,
        Err(answer) => return *answer,
    };
    let conceal = desk.watch.conceal();
    let writes: Vec<Value> = found.records.iter().map(|r| records::record(r, conceal)).collect();
    Json(json!({ "writes": writes, "next": found.next.map(|id| id.to_string()) })).into_response()
}

fn bad(detail: &str) -> Box<Response> {
    Box::new(refusal(StatusCode::BAD_REQUEST, detail))
}

/// The ledger could not be read.
pub(super) fn unavailable(error: &LedgerError) -> Response {
    refusal(StatusCode::SERVICE_UNAVAILABLE, format!("failed to {error}"))
}

async fn find(desk: &Desk, wanted: &Wanted) -> Result<Found, Box<Response>> {
    let ledger = desk.engine.ledger();
    let alone = |records: Vec<Record>| Found { records, next: None };
    let failed = |e: LedgerError| Box::new(unavailable(&e));
    if let Some(id) = given(&wanted.q).and_then(WriteId::parse) {
        let found = ledger.get(id).await.map_err(failed)?;
        return Ok(alone(found.into_iter().collect()));
    }
    if let Some(key) = given(&wanted.key) {
        let (Some(method), Some(target)) = (given(&wanted.method), given(&wanted.target)) else {
            return Err(bad(
                "a key is kept as a digest with its method and target: give `method` and the whole `target` as well",
            ));
        };
        let key = IdempotencyKey::new(key).map_err(|e| bad(&format!("failed to {e}")))?;
        let target = Target::parse(target).map_err(|e| bad(&format!("failed to {e}")))?;
        let method = method.to_ascii_uppercase();
        let scope = [target.authority(), method.as_str(), target.path()];
        let trace = desk.engine.options().callers.trace(&key, &scope);
        return ledger.traced(trace, MAX_FOUND).await.map(alone).map_err(failed);
    }
    let class = given(&wanted.class)
        .map(|w| Class::from_word(w).ok_or_else(|| bad("`class` is none of the classes, such as stale")));
    let state = given(&wanted.state).map(|w| {
        let expected = "`state` is none of claimed, settled, in-doubt, applied, accepted, adopted, refused, not-sent";
        Became::from_word(w).ok_or_else(|| bad(expected))
    });
    let before = given(&wanted.before).map(|w| WriteId::parse(w).ok_or_else(|| bad("`before` is no id of a write")));
    let query = Query {
        target: given(&wanted.target).or(given(&wanted.q)).map(str::to_owned),
        class: class.transpose()?,
        state: state.transpose()?,
        from: wanted.from.map(Time),
        to: wanted.to.map(Time),
    };
    let limit = wanted.limit.unwrap_or(LIMIT);
    ledger.search(query, before.transpose()?, limit).await.map_err(failed)
}

async fn one(State(desk): State<Arc<Desk>>, Path(id): Path<String>) -> Response {
    let Some(id) = WriteId::parse(&id) else {
        return refusal(StatusCode::BAD_REQUEST, "the id of a write has 32 hexadecimal digits");
    };
    match whole(&desk, id).await {
        Ok(Some(told)) => Json(told).into_response(),
        Ok(None) => refusal(
            StatusCode::NOT_FOUND,
            "nothing is known of this write: neither the ledger nor memory has it",
        ),
        Err(error) => unavailable(&error),
    }
}

/// All that is known of a write: its record, who ended a doubt about it, and its story.
pub(super) async fn whole(desk: &Desk, id: WriteId) -> Result<Option<Value>, LedgerError> {
    let ledger = desk.engine.ledger();
    let record = ledger.get(id).await?;
    let resolution = ledger.resolution(id).await?;
    let story = desk.watch.story(id);
    if record.is_none() && story.is_none() {
        return Ok(None);
    }
    Ok(Some(json!({
        "record": record.map(|r| records::record(&r, desk.watch.conceal())),
        "resolution": resolution.as_ref().map(records::resolution),
        "story": story.as_ref().map(stories::story),
    })))
}
