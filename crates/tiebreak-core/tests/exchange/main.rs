//! The exchange from outside: readable scripts (played by `story`; `tables` has the standard cases) and all sequences of inputs up to a depth (`sequences`).

// The helpers of tests may fail like tests.
#![allow(clippy::unwrap_used)]

mod accepted;
mod cases;
mod doubts;
mod guarantees;
mod hand_off;
mod keys;
mod sequences;
mod story;
mod tables;
mod virtual_tags;
mod watch;
mod world;
