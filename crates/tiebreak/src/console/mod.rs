//! The console: pages for people, served by the admin listener. How it is built and measured: docs/console.md.
//!
//! Pages are HTML from here, complete without any script; the scripts in `assets/` make them lively. Everything is in the
//! binary. `maud` escapes whatever it is given, and only [`markdown`], which renders our own texts, says otherwise.
//!
//! | file | what |
//! |---|---|
//! | `terms/` | the terms, one file each, and their connections |
//! | `markdown` | our own texts as HTML |
//! | `map/` | the concept map: layout and drawing |
//! | `page` | what every page has: head, navigation, foot |
//! | `pages/` | the pages |
//! | `problems` | the pages of `docs/problems/` |
//! | `assets` | style sheet and scripts |

mod assets;
mod map;
mod markdown;
pub(crate) mod page;
mod pages;
mod problems;
mod terms;

use std::sync::Arc;

use axum::Router;

use crate::admin::Desk;

/// Every page and asset of the console.
pub(crate) fn routes() -> Router<Arc<Desk>> {
    // The first page is not to wait for the layout.
    std::thread::spawn(map::prepare);
    pages::routes().merge(assets::routes())
}
