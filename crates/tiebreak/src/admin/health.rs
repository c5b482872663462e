//! Does the process live, and can it take writes?

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde_json::json;
use tiebreak_core::record::{Fence, WriteId};
use tiebreak_ledger::LedgerError;

use super::Desk;

/// A ledger that takes longer is not ready.
const PATIENCE: Duration = Duration::from_secs(2);

/// `/healthz` and `/readyz`.
pub(super) fn routes() -> Router<Arc<Desk>> {
    let live = || async { Json(json!({ "live": true })) };
    Router::new().route("/healthz", get(live)).route("/readyz", get(ready))
}

async fn ready(State(desk): State<Arc<Desk>>) -> Response {
    let ledger = ledger_takes_claims(&desk).await;
    let stopping = *desk.stopping.borrow();
    let ready = ledger.is_ok() && !stopping;
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let told = json!({
        "ready": ready,
        "stopping": stopping,
        "ledger": match ledger { Ok(()) => "takes claims".to_owned(), Err(why) => format!("failed to {why}") },
        "upstream": desk.upstream,
        "connections_refused": desk.connections_refused(),
    });
    (status, Json(told)).into_response()
}

/// Sends a change through the ledger's whole way that finds nothing to change: no write has this id.
async fn ledger_takes_claims(desk: &Desk) -> Result<(), String> {
    let nothing = desk.engine.ledger().release(WriteId([0; 16]), Fence(0));
    match tokio::time::timeout(PATIENCE, nothing).await {
        Ok(Err(LedgerError::NotFound(_)) | Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("reach the ledger within {} s", PATIENCE.as_secs())),
    }
}
