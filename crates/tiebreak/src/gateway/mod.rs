//! `tiebreak serve`: the gateway.
//!
//! | file | what |
//! |---|---|
//! | `listen` | connections in, draining at the end |
//! | `route` | which request is a read, which a write |
//! | `read` | safe methods: streamed through, and remembered |
//! | `write` | writes: through the engine |
//! | `upstream` | the origin: over HTTP, or embedded |
//! | `body` | what goes back to the client |

mod body;
mod listen;
mod read;
mod route;
mod serve;
mod upstream;
mod write;

pub(crate) use serve::{ServeArgs, run};
pub(crate) use upstream::EmbeddedTransport;
