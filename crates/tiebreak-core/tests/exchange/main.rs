//! The exchange from outside: readable scripts (`tables`) and all sequences of inputs up to a depth (`sequences`).

mod cases;
mod sequences;
mod tables;
mod watch;
mod world;
