//! An embedded JSON origin with correct conflict behaviour, to rehearse or to use.
//!
//! [`Origin::handle`] answers requests for JSON documents in collections: entity tags that never recur,
//! preconditions judged atomically with the write (RFC 9110 §13), unique members, JSON Schema, patches,
//! idempotency keys. There is no HTTP server in here: mount it on one, or call it in-process.
//!
//! The way of a request: [`target`] and [`incoming`] read it, [`engine`] decides every write on a
//! [`store`] that one thread or lock owns, `reading` answers the rest. `docs/origin.md` tells users about it.

mod answer;
mod engine;
mod incoming;
mod options;
mod origin;
mod reading;
mod refusal;
mod settings;
mod store;
mod target;

pub use options::{OriginOptions, Place};
pub use origin::Origin;
pub use settings::{CollectionSettings, StaleStatus};
pub use store::OpenError;
