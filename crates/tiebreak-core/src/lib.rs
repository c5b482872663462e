//! Decisions about HTTP writes and their conflicts.
//!
//! This crate decides and never acts: it has no clock, no randomness and no I/O, so that the same
//! inputs always lead to the same decisions. The driver in `tiebreak-client` performs what is
//! decided here. The way of a write through these modules is told in `docs/life-of-a-write.md`.

pub mod base;
pub mod body_version;
pub mod caller;
pub mod delivery;
pub mod exchange;
pub mod fingerprint;
pub mod guarantee;
pub mod json;
pub mod judge;
pub mod key;
pub mod lane;
pub mod mark;
pub mod merge;
pub mod method;
pub mod monitor;
pub mod natural_key;
pub mod outcome;
pub mod policy;
pub mod precondition;
pub mod problem;
pub mod proof;
pub mod record;
pub mod remedy;
pub mod repeat;
pub mod request;
pub mod response;
pub mod signature;
pub mod time;
pub mod userinfo;
pub mod validator;
pub mod variant;
pub mod verdict;
pub mod virtual_tag;
