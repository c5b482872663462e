//! The ledger in SQLite: the contract, and what only a file can do.

// Helpers of tests are tests, too.
#![allow(clippy::unwrap_used)]

#[path = "sqlite/contract.rs"]
mod contract;
#[path = "sqlite/files.rs"]
mod files;
#[path = "sqlite/full.rs"]
mod full;
#[path = "sqlite/images.rs"]
mod images;
#[path = "sqlite/kill.rs"]
mod kill;
#[path = "sqlite/lost.rs"]
mod lost;
#[path = "sqlite/search.rs"]
mod search;
#[path = "sqlite/support.rs"]
mod support;
