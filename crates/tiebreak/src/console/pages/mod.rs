//! The pages.

mod explain;
mod home;
mod reference;

use std::sync::Arc;

use axum::Router;

use crate::admin::Desk;

pub(super) fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .merge(home::routes())
        .merge(explain::routes())
        .merge(reference::routes())
}
