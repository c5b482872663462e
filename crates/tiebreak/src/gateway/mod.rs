//! `tiebreak serve`: the gateway.
//!
//! | file | what |
//! |---|---|
//! | `listen` | connections in, what is malformed refused, draining at the end |
//! | `limits` | the bounds on clients |
//! | `inbound` | what is made of every request first |
//! | `forwarding` | what the origin is told of clients |
//! | `route` | which request is a read, which a write |
//! | `read` | safe methods: streamed through, and remembered |
//! | `content` | the content of a write, taken in within bounds |
//! | `write` | writes: through the engine |
//! | `upstream` | the origin: over HTTP, or embedded |
//! | `body` | what goes back to the client |

mod body;
mod content;
mod forwarding;
mod inbound;
mod limits;
mod listen;
mod read;
mod route;
mod serve;
mod upstream;
mod write;

pub(crate) use serve::{ServeArgs, run};
pub(crate) use upstream::EmbeddedTransport;
