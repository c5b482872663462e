//! Whether what callers saw of one document can be explained by one order of their calls: linearizability.
//!
//! Each call takes effect at one moment between its begin and its end. A write whose outcome its caller never learned may take
//! effect at any moment after its begin, or never.

mod document;
mod history;
mod search;

pub use document::{Document, Op, Saw};
pub use history::{Call, history};
pub use search::{Stuck, explain};
