//! The judge takes any answer to any request.
//!
//! Input: status (two bytes), method (one byte), then header lines, an empty line, and the content.

#![no_main]

#[path = "../bodies/judge.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
