//! The readers of `tiebreak explain` take anything that a person may paste.

#![no_main]
#![allow(dead_code, unused_imports)]

#[path = "../../crates/tiebreak/src/explain/anything.rs"]
mod anything;
#[path = "../../crates/tiebreak/src/dialects_cmd.rs"]
mod dialects_cmd;
#[path = "../../crates/tiebreak/src/explain/mod.rs"]
mod explain;

libfuzzer_sys::fuzz_target!(|data: &[u8]| anything::run(data));
