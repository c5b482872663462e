//! The ledger in PostgreSQL: the contract, and what only a shared database can do.

// Helpers of tests are tests, too.
#![allow(clippy::unwrap_used)]
#![allow(unreachable_pub, reason = "there is one crate of tests, and nobody outside")]

#[path = "postgres/check.rs"]
mod check;
#[path = "postgres/cluster.rs"]
mod cluster;
#[path = "postgres/contract.rs"]
mod contract;
#[path = "postgres/held_up.rs"]
mod held_up;
#[path = "postgres/holdings.rs"]
mod holdings;
#[path = "postgres/refused.rs"]
mod refused;
