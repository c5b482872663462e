//! The admin listener: health, metrics, and the data behind the console. Its shapes are in docs/admin.md.
//!
//! | file | what |
//! |---|---|
//! | `args` | its options, and which of them belong together |
//! | `listen` | the socket, and a thread of its own: a search must not hold up the gateway's connections |
//! | `guard` | who may ask what: Host, Origin, token; the fields that every answer carries |
//! | `login` | the token becomes a cookie of the browser's |
//! | `refusal` | how an answer says no |
//! | `health` | `/healthz`, `/readyz` |
//! | `metrics` | `/metrics` |
//! | `counts` | `/api/counts`: how often each thing was met |
//! | `live` | `/api/live`, `/api/history`: what happens now, and the last hour |
//! | `recent` | `/api/stories`: the writes that came last |
//! | `stories` | what happened to a write, as JSON |
//! | `unrecorded` | what memory has and the ledger has not |
//! | `writes` | `/api/writes`: searching the ledger, and all that is known of one write |
//! | `records` | a record of the ledger, as JSON |
//! | `doubts` | `/api/doubts`: open doubts, and what ends them |
//! | `prover` | the credential with which targets of doubts are read |
//! | `explain` | `/api/explain`: pasted text, explained |
//!
//! A handler gets [`Desk`], which is all that the listener knows of the gateway.

mod args;
mod counts;
pub(crate) mod doubts;
mod explain;
mod guard;
mod health;
mod listen;
mod live;
mod login;
mod metrics;
mod prover;
mod recent;
pub(crate) mod records;
mod refusal;
pub(crate) mod stories;
pub(crate) mod unrecorded;
pub(crate) mod writes;

use std::sync::Arc;

use axum::Router;
use tiebreak_client::Engine;
use tiebreak_client::figures::AtBound;
use tiebreak_client::story::Watch;
use tiebreak_core::judge::Judge;
use tiebreak_core::time::Time;
use tokio::sync::{Semaphore, watch};

pub(crate) use args::{AdminArgs, read_token};
pub(crate) use listen::{Bound, bind};
pub(crate) use prover::Prover;

/// What the admin listener knows of the gateway.
#[derive(Debug)]
pub(crate) struct Desk {
    /// The engine: its ledger, its lanes, its clock.
    pub(crate) engine: Arc<Engine>,
    /// What stands behind the gateway, in words.
    pub(crate) upstream: String,
    /// Whether the gateway is stopping.
    pub(crate) stopping: watch::Receiver<bool>,
    /// What the engine records.
    pub(crate) watch: Arc<Watch>,
    /// The operator's credential for reading targets of doubts.
    prover: Option<Prover>,
    judge: Arc<Judge>,
    /// One text is explained at a time.
    explaining: Arc<Semaphore>,
    /// Since when.
    started: Time,
    live: live::Live,
}

impl Desk {
    /// What the listener knows of a gateway that starts now.
    pub(crate) fn new(
        engine: Arc<Engine>,
        watch: Arc<Watch>,
        upstream: String,
        stopping: watch::Receiver<bool>,
        prover: Option<Prover>,
    ) -> Desk {
        Desk {
            started: engine.clock().now(),
            engine,
            upstream,
            stopping,
            watch,
            prover,
            judge: Arc::new(Judge::standard()),
            explaining: Arc::new(Semaphore::new(1)),
            live: live::Live::default(),
        }
    }
}

impl Desk {
    /// How many connections were not served since the start, since as many were open as are allowed.
    fn connections_refused(&self) -> u64 {
        let bounds = self.watch.figures().bounds().into_iter();
        let connections = bounds.filter(|(bound, _)| *bound != AtBound::ReadStalled);
        connections.map(|(_, count)| count).sum()
    }
}

/// Every route, behind the guard.
fn router(desk: Arc<Desk>, guard: Arc<guard::Guard>) -> Router {
    let routes = Router::new()
        .merge(health::routes())
        .merge(metrics::routes())
        .merge(counts::routes())
        .merge(live::routes())
        .merge(recent::routes())
        .merge(writes::routes())
        .merge(doubts::routes())
        .merge(explain::routes())
        .merge(crate::console::routes());
    routes
        .with_state(desk)
        .merge(login::routes(Arc::clone(&guard)))
        .fallback(refusal::no_such_page)
        .method_not_allowed_fallback(refusal::wrong_method)
        .layer(axum::middleware::from_fn_with_state(guard, guard::check))
}
