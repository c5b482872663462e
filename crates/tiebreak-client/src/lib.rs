//! The driver of conflict-safe writes: it performs what `tiebreak-core` decides.
//!
//! [`Engine`] is what the gateway, the bulk client and Rust programs share. A write goes in with what its door
//! knows of it ([`Submission`]), and one [`Answer`] comes out. See `docs/life-of-a-write.md`.

pub mod browser;
pub mod caller;
pub mod clock;
mod driver;
pub mod engine;
pub mod figures;
mod forgotten;
mod inflight;
pub mod lanes;
mod presence;
pub mod prover;
pub mod reads;
pub mod service;
pub mod story;
pub mod transport;

pub use engine::{Engine, EngineOptions, Submission};
pub use tiebreak_core::exchange::Answer;
