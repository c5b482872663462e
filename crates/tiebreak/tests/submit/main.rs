//! `tiebreak submit`, run as its users run it.

mod bad_input;
mod examples;
mod job;
mod kill;
mod repeats;
mod scripted;
mod stopping;
mod target;
