//! `tiebreak submit`, run as its users run it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bad_input;
mod examples;
mod job;
mod kill;
mod repeats;
mod scripted;
mod stopping;
mod target;
