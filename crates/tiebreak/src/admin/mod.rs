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
//!
//! A handler gets [`Desk`], which is all that the listener knows of the gateway.

mod args;
mod guard;
mod health;
mod listen;
mod login;
mod refusal;

use std::sync::Arc;

use axum::Router;
use tiebreak_client::Engine;
use tokio::sync::watch;

pub(crate) use args::AdminArgs;
pub(crate) use listen::bind;

/// What the admin listener knows of the gateway.
#[derive(Debug)]
pub(crate) struct Desk {
    /// The engine: its ledger, its lanes, its clock.
    pub(crate) engine: Arc<Engine>,
    /// What stands behind the gateway, in words.
    pub(crate) upstream: String,
    /// Whether the gateway is stopping.
    pub(crate) stopping: watch::Receiver<bool>,
}

/// Every route, behind the guard.
fn router(desk: Arc<Desk>, guard: Arc<guard::Guard>) -> Router {
    let routes = Router::new().merge(health::routes()).with_state(desk);
    routes
        .merge(login::routes(Arc::clone(&guard)))
        .fallback(refusal::no_such_page)
        .method_not_allowed_fallback(refusal::wrong_method)
        .layer(axum::middleware::from_fn_with_state(guard, guard::check))
}
