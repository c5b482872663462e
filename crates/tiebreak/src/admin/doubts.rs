//! `/api/doubts`: open doubts, and what ends them.

use std::sync::Arc;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tiebreak_client::prover::{self, DoubtError};
use tiebreak_core::proof::Proof;
use tiebreak_core::record::WriteId;
use tiebreak_ledger::{LedgerError, ResolvedBy};

use super::refusal::refusal;
use super::writes::{unavailable, whole};
use super::{Desk, records};
use crate::gateway::is_embedded;

/// Unless asked for another number.
const LIMIT: usize = 100;

/// A longer reason is refused.
const LONGEST: usize = 500;

/// `/api/doubts` and what is below it.
pub(super) fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/api/doubts", get(list))
        .route("/api/doubts/{id}/prove", post(prove))
        .route("/api/doubts/{id}/settle", post(settle))
}

#[derive(Debug, Deserialize)]
struct Page {
    after: Option<String>,
    limit: Option<usize>,
}

async fn list(State(desk): State<Arc<Desk>>, page: Result<Query<Page>, QueryRejection>) -> Response {
    let page = match page {
        Ok(Query(page)) => page,
        Err(error) => return refusal(StatusCode::BAD_REQUEST, error.body_text()),
    };
    let after = match page.after.as_deref().map(WriteId::parse) {
        Some(None) => return refusal(StatusCode::BAD_REQUEST, "`after` is no id of a write"),
        after => after.flatten(),
    };
    let limit = page.limit.unwrap_or(LIMIT).max(1);
    let ledger = desk.engine.ledger();
    let (found, stats) = match (ledger.doubts(after, limit).await, ledger.stats().await) {
        (Ok(found), Ok(stats)) => (found, stats),
        (Err(LedgerError::NotFound(_)), _) => {
            return refusal(StatusCode::NOT_FOUND, "the ledger does not know the write `after`");
        }
        (Err(error), _) | (_, Err(error)) => return unavailable(&error),
    };
    let next = found
        .last()
        .filter(|_| found.len() >= limit)
        .map(|r| r.claim.id.to_string());
    let conceal = desk.watch.conceal();
    let doubts: Vec<Value> = found.iter().map(|r| records::record(r, conceal)).collect();
    Json(json!({ "doubts": doubts, "open": stats.in_doubt, "next": next })).into_response()
}

fn parse(id: &str) -> Result<WriteId, Box<Response>> {
    let bad = || refusal(StatusCode::BAD_REQUEST, "the id of a write has 32 hexadecimal digits");
    WriteId::parse(id).ok_or_else(|| Box::new(bad()))
}

fn failed(error: &DoubtError) -> Response {
    let status = match error {
        DoubtError::Unknown(_) => StatusCode::NOT_FOUND,
        DoubtError::NotOpen(_) => StatusCode::CONFLICT,
        DoubtError::Ledger(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    refusal(status, format!("failed to {error}"))
}

/// Looks whether the write was applied, with the operator's credential where there is one.
pub(crate) async fn look(desk: &Desk, id: WriteId) -> Result<Proof, DoubtError> {
    let record = desk.engine.ledger().get(id).await.map_err(DoubtError::Ledger)?;
    let target = record.map(|r| r.claim.target).unwrap_or_default();
    // The embedded origin asks for no credential.
    let none = HeaderMap::new();
    let credential = if is_embedded(&target) {
        Some(&none)
    } else {
        desk.prover.as_ref().and_then(|p| p.credential_for(&target))
    };
    desk.engine.prove(id, credential).await
}

async fn prove(State(desk): State<Arc<Desk>>, Path(id): Path<String>) -> Response {
    let id = match parse(&id) {
        Ok(id) => id,
        Err(answer) => return *answer,
    };
    let (word, why) = match look(&desk, id).await {
        Ok(Proof::Applied(why)) => ("applied", why),
        Ok(Proof::NotApplied(why)) => ("not-applied", why),
        Ok(Proof::Open(why)) => ("open", why),
        Err(error) => return failed(&error),
    };
    told(&desk, id, json!({ "proof": word, "why": why })).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settling {
    /// `applied` or `not-applied`.
    r#as: String,
    reason: String,
    /// Who says so.
    by: Option<String>,
}

async fn settle(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    settling: Result<Json<Settling>, JsonRejection>,
) -> Response {
    let id = match parse(&id) {
        Ok(id) => id,
        Err(answer) => return *answer,
    };
    let settling = match settling {
        Ok(Json(settling)) => settling,
        Err(error) => return refusal(error.status(), error.body_text()),
    };
    let applied = match settling.r#as.as_str() {
        "applied" => true,
        "not-applied" => false,
        _ => return refusal(StatusCode::BAD_REQUEST, "`as` is neither `applied` nor `not-applied`"),
    };
    let reason = match reason(&settling.reason, settling.by.as_deref()) {
        Ok(reason) => reason,
        Err(why) => return refusal(StatusCode::BAD_REQUEST, why),
    };
    let (ledger, now) = (desk.engine.ledger(), desk.engine.clock().now());
    match prover::settle(&**ledger, id, applied, ResolvedBy::Person, &reason, now).await {
        Ok(_) => told(&desk, id, json!({})).await,
        Err(error) => failed(&error),
    }
}

/// What is recorded as the reason: who says so, and why.
pub(crate) fn reason(why: &str, by: Option<&str>) -> Result<String, String> {
    let why = why.trim();
    if why.is_empty() {
        return Err("a reason is needed: it is recorded, and somebody will ask".into());
    }
    let by = by.map(str::trim).filter(|by| !by.is_empty());
    let reason = by.map_or_else(|| why.to_owned(), |by| format!("{by}: {why}"));
    if reason.len() > LONGEST || reason.chars().any(char::is_control) {
        return Err(format!("a reason is one line of at most {LONGEST} bytes"));
    }
    Ok(reason)
}

/// What is known of the write now, with what was found out.
async fn told(desk: &Desk, id: WriteId, mut found: Value) -> Response {
    match whole(desk, id).await {
        Ok(Some(known)) => {
            if let (Value::Object(found), Value::Object(known)) = (&mut found, known) {
                found.extend(known);
            }
            Json(found).into_response()
        }
        Ok(None) => refusal(StatusCode::NOT_FOUND, "nothing is known of this write"),
        Err(error) => unavailable(&error),
    }
}
