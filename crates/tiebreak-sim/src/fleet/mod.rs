//! The shared ledger of a fleet: a model of its database, and the unreliable way to it.
//!
//! What the gateways do with it is the shipped code: [`SharedLedger`](tiebreak_ledger::shared::SharedLedger), the engine and its
//! lanes. Only what PostgreSQL does with each statement is modelled: in [`tables`], [`claims`], [`lanes`] and [`owners`].

mod claims;
pub mod clock;
mod lanes;
pub mod link;
mod owners;
mod sessions;
pub mod tables;

pub use link::SimDatabase;
