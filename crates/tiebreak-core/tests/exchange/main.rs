//! The exchange from outside: readable scripts (`tables`) and all sequences of inputs up to a depth (`sequences`).

// The helpers of tests may fail like tests.
#![allow(clippy::unwrap_used)]

mod cases;
mod guarantees;
mod keys;
mod sequences;
mod tables;
mod virtual_tags;
mod watch;
mod world;
