//! The integration tests, one binary.

mod mistakes;
mod promises;
