//! The origin as its clients see it.

mod helpers;
mod rules;
mod status;
