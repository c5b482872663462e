//! The binary against real servers, real sockets and real signals.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(unreachable_pub, reason = "there is one crate of tests, and nobody outside")]

mod accepted;
mod admin;
mod azurite;
mod bad_days;
mod bounds;
mod browser;
mod client_certificates;
mod clients;
#[path = "../../../tiebreak-ledger/tests/postgres/cluster.rs"]
mod cluster;
mod config;
mod console;
mod dead_http2;
mod doors;
mod doubts;
mod expect;
mod fleet;
mod gateway;
mod hand_off;
mod http;
mod http10;
mod http2;
mod key_owners;
mod keys;
mod kinto;
mod lost;
mod many_callers;
mod marked;
mod max_connections;
mod observe;
mod odd_answers;
mod origin_http2;
mod origin_tls;
mod over_bound;
mod peer;
mod probe;
mod recorder;
mod relay;
mod removed;
mod scripted;
mod search;
mod shared;
mod signed;
mod stories;
mod virtual_tags;
mod wire;
