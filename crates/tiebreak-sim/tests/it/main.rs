//! The integration tests, one binary.

mod fleets;
mod independent;
mod mistakes;
mod promises;
