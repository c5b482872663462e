//! Idempotency keys, entity tags, lists of them and preconditions, from any bytes.

#![no_main]

#[path = "../bodies/fields.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
