//! The binary against real servers, real sockets and real signals.

mod azurite;
mod gateway;
mod http;
mod kinto;
mod lost;
mod peer;
mod relay;
mod scripted;
mod shared;
