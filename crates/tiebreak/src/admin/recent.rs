//! `/api/stories`: the writes that came last, those on their way among them, as memory holds them.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use tiebreak_core::record::WriteId;

use super::Desk;
use super::refusal::refusal;
use super::stories;

/// At most so many at once.
const MOST: usize = 500;

/// `/api/stories`.
pub(super) fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/api/stories", get(recent))
        .route("/api/stories/{id}", get(one))
}

#[derive(Debug, Deserialize)]
struct Asked {
    limit: Option<usize>,
}

async fn recent(State(desk): State<Arc<Desk>>, Query(asked): Query<Asked>) -> Json<Value> {
    let found = desk.watch.recent(asked.limit.unwrap_or(50).min(MOST));
    let stories: Vec<Value> = found.iter().map(stories::brief).collect();
    Json(json!({ "stories": stories }))
}

async fn one(State(desk): State<Arc<Desk>>, Path(id): Path<String>) -> Response {
    let Some(id) = WriteId::parse(&id) else {
        return refusal(StatusCode::BAD_REQUEST, "the id of a write has 32 hexadecimal digits");
    };
    match desk.watch.story(id) {
        Some(story) => Json(stories::story(&story)).into_response(),
        None => refusal(
            StatusCode::NOT_FOUND,
            "no story of this write is remembered; the ledger may have its record",
        ),
    }
}
