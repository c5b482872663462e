//! `tiebreak serve`: the gateway.
//!
//! | file | what |
//! |---|---|
//! | `listen` | connections in, what is malformed refused, draining at the end |
//! | `limits` | the bounds on clients |
//! | `inbound` | what is made of every request first |
//! | `forwarding` | what the origin is told of clients |
//! | `args`, `client_args`, `serve` | the command line, and what it starts |
//! | `route` | which request is a read, which a write |
//! | `routing` | which route of the configuration a request takes |
//! | `refusal` | what was refused before it was a write, told as a story |
//! | `reload` | SIGHUP: the configuration is read anew |
//! | `read` | safe methods: streamed through, and remembered |
//! | `held` | answers that are held until they are whole |
//! | `tagged` | reads to whose answers the route gives an entity tag |
//! | `marked` | reads whose answers name their version in a member, and writes that bring it back |
//! | `content` | the content of a write, taken in within bounds |
//! | `write` | writes: through the engine |
//! | `unprotected` | writes over the bound on content, where the route lets them pass |
//! | `upstream` | the origin: over HTTP, or embedded |
//! | `forward` | sends a request on, and streams the answer back |
//! | `observe` | `--observe`: writes pass as they come, and what would have been done is reported |
//! | `body` | what goes back to the client |
//! | `stalled` | answers that are cut since their origin stops in the middle |
//! | `timers` | time limits that cost nothing while they hold |

mod args;
mod body;
mod client_args;
mod content;
mod forward;
mod forwarding;
mod held;
mod inbound;
mod limits;
mod listen;
mod marked;
mod observe;
mod read;
mod refusal;
mod reload;
mod route;
mod routing;
mod serve;
mod stalled;
mod tagged;
mod timers;
mod unprotected;
mod upstream;
mod write;

pub(crate) use args::ServeArgs;
pub(crate) use forwarding::Forwarding;
pub(crate) use limits::Limits;
pub(crate) use listen::{Address, ClientAuth, Clients};
pub(crate) use serve::run;
pub(crate) use upstream::{EmbeddedTransport, Remote, is_embedded};
