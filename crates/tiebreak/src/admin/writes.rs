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
use tiebreak_client::caller::Callers;
use tiebreak_core::key::{IdempotencyKey, KeyTrace};
use tiebreak_core::record::{Record, WriteId};
use tiebreak_core::request::Target;
use tiebreak_core::time::Time;
use tiebreak_core::verdict::Class;
use tiebreak_ledger::search::{Became, Found, MAX_FOUND, Query};
use tiebreak_ledger::{Ledger, LedgerError};

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

/// A search, as it is asked for. All that is given must hold.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// An id, or a part of a target.
    pub(crate) q: Option<String>,
    pub(crate) target: Option<String>,
    /// An idempotency key; needs `method` and the whole `target`.
    pub(crate) key: Option<String>,
    pub(crate) method: Option<String>,
    pub(crate) class: Option<String>,
    /// What became of it; see [`Became::from_word`].
    pub(crate) state: Option<String>,
    /// From then on, in ms since 1970.
    pub(crate) from: Option<u64>,
    /// Before then.
    pub(crate) to: Option<u64>,
    /// The page after the one whose `next` this is.
    pub(crate) before: Option<String>,
    pub(crate) limit: Option<usize>,
}

/// A search that was understood.
#[derive(Debug)]
pub(crate) enum Search {
    /// One write.
    Id(WriteId),
    /// Whoever used a key.
    Key(KeyTrace),
    /// All that is so, before this id.
    Query(Query, Option<WriteId>, usize),
}

impl Wanted {
    /// What it means; or what is wrong with it.
    pub(crate) fn search(&self, callers: &Callers) -> Result<Search, String> {
        if let Some(id) = given(&self.q).and_then(WriteId::parse) {
            return Ok(Search::Id(id));
        }
        if let Some(key) = given(&self.key) {
            let (Some(method), Some(target)) = (given(&self.method), given(&self.target)) else {
                return Err(
                    "a key is kept as a digest with its method and target: give `method` and the whole `target` as well"
                        .into(),
                );
            };
            // As it stands in the field, or without its quotation marks; jobs have keys that no field could carry.
            let key = IdempotencyKey::parse(key).or_else(|_| IdempotencyKey::new(key));
            let key = key.map_err(|e| format!("failed to {e}"))?;
            let target = Target::parse(target).map_err(|e| format!("failed to {e}"))?;
            let method = method.to_ascii_uppercase();
            let scope = [target.authority(), method.as_str(), target.path()];
            return Ok(Search::Key(callers.trace(&key, &scope)));
        }
        let class = given(&self.class)
            .map(|w| Class::from_word(w).ok_or("`class` is none of the classes, such as stale"))
            .transpose()?;
        let expected = "`state` is none of claimed, settled, in-doubt, applied, accepted, adopted, refused, not-sent";
        let state = given(&self.state)
            .map(|w| Became::from_word(w).ok_or(expected))
            .transpose()?;
        let before = given(&self.before)
            .map(|w| WriteId::parse(w).ok_or("`before` is no id of a write"))
            .transpose()?;
        let query = Query {
            target: given(&self.target).or(given(&self.q)).map(str::to_owned),
            class,
            state,
            from: self.from.map(Time),
            to: self.to.map(Time),
        };
        Ok(Search::Query(query, before, self.limit.unwrap_or(LIMIT)))
    }
}

impl Search {
    /// What the ledger has of it.
    pub(crate) async fn find(self, ledger: &dyn Ledger) -> Result<Found, LedgerError> {
        let alone = |records: Vec<Record>| Found { records, next: None };
        match self {
            Search::Id(id) => Ok(alone(ledger.get(id).await?.into_iter().collect())),
            Search::Key(trace) => ledger.traced(trace, MAX_FOUND).await.map(alone),
            Search::Query(query, before, limit) => ledger.search(query, before, limit).await,
        }
    }
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
    let search = match wanted.search(&desk.engine.options().callers) {
        Ok(search) => search,
        Err(why) => return refusal(StatusCode::BAD_REQUEST, why),
    };
    let found = match search.find(&**desk.engine.ledger()).await {
        Ok(found) => found,
        Err(error) => return unavailable(&error),
    };
    let conceal = desk.watch.conceal();
    let writes: Vec<Value> = found.records.iter().map(|r| records::record(r, conceal)).collect();
    Json(json!({ "writes": writes, "next": found.next.map(|id| id.to_string()) })).into_response()
}

/// The ledger could not be read.
pub(super) fn unavailable(error: &LedgerError) -> Response {
    refusal(StatusCode::SERVICE_UNAVAILABLE, format!("failed to {error}"))
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
