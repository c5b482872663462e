//! The ledger in SQLite: the contract, and what only a file can do.

#[path = "sqlite/contract.rs"]
mod contract;
#[path = "sqlite/support.rs"]
mod support;
