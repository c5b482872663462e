//! The origin as its clients see it.

mod durability;
mod helpers;
mod key;
mod listing;
mod model;
mod open;
mod pages;
mod patch;
mod race;
mod rules;
mod status;
