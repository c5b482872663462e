//! The pages.
//!
//! | file | page |
//! |---|---|
//! | `home` | what is happening, in words |
//! | `live` | plots that follow it |
//! | `writes`, `row` | lists of writes |
//! | `story` | one write |
//! | `explain` | an answer that somebody pastes |
//! | `reference` | the map, the terms, the problem types |

mod explain;
mod home;
mod live;
mod reference;
mod row;
mod story;
mod writes;

use std::sync::Arc;

use axum::Router;

use crate::admin::Desk;

pub(super) fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .merge(home::routes())
        .merge(live::routes())
        .merge(writes::routes())
        .merge(story::routes())
        .merge(explain::routes())
        .merge(reference::routes())
}
