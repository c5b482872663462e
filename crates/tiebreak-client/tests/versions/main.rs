//! Which version a write is made from, guarded by and recognised by: the engine over scripted origins, in virtual time.

#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test that cannot go on has failed; its modules share a world"
)]

mod body;
mod natural;
mod own;
mod variants;
mod virtual_tags;
mod world;
