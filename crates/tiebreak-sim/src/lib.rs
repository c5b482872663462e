//! The simulator: the real engine over a scripted world in virtual time, and one checker for each promise.
//!
//! See `docs/simulator.md`. Everything that happens is drawn from one seed, so that a seed and the name of a
//! [`scenario`] reproduce a failure.

mod boot;
pub mod checkers;
pub mod dice;
pub mod fleet;
mod host;
pub mod ledger;
pub mod linear;
pub mod many;
pub mod origin;
pub mod sabotage;
pub mod scenario;
pub mod trace;
pub mod wire;
pub mod world;
pub mod writer;

pub use world::{Run, run};
