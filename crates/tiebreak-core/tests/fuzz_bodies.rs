//! The bodies of the fuzz targets, run within bounds: on random bytes, and on damaged real answers.

use proptest::prelude::*;
use serde_json::Value;

#[path = "../../../fuzz/bodies/fields.rs"]
mod fields;
#[path = "../../../fuzz/bodies/judge.rs"]
mod judge;

/// The answers of the corpus in the form that the target `judge` reads.
fn answers() -> Vec<Vec<u8>> {
    include_str!("../corpus/blocks.jsonl")
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .map(|case| {
            let answer = &case["response"];
            let status = u16::try_from(answer["status"].as_u64().unwrap_or(409)).unwrap_or(409) - 100;
            let mut bytes = status.to_be_bytes().to_vec();
            bytes.push(1);
            for (name, value) in answer["headers"].as_object().into_iter().flatten() {
                bytes.extend_from_slice(format!("{name}: {}\n", value.as_str().unwrap_or_default()).as_bytes());
            }
            bytes.push(b'\n');
            bytes.extend_from_slice(answer["body"].as_str().unwrap_or_default().as_bytes());
            bytes
        })
        .collect()
}

#[test]
fn whole_answers_are_judged() {
    answers().iter().for_each(|answer| judge::run(answer));
}

proptest! {
    #[test]
    fn any_bytes_are_judged(data in proptest::collection::vec(any::<u8>(), 0..512)) {
        judge::run(&data);
    }

    #[test]
    fn damaged_answers_are_judged(
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        with in proptest::collection::vec(any::<u8>(), 0..9),
    ) {
        let answers = answers();
        let mut data = which.get(&answers).clone();
        let at = at.index(data.len());
        data.splice(at..at, with);
        judge::run(&data);
    }

    #[test]
    fn any_bytes_are_fields(data in proptest::collection::vec(any::<u8>(), 0..128)) {
        fields::run(&data);
    }

    #[test]
    fn what_looks_like_fields_is_parsed(text in "(W/)?\"[ -~]{0,8}\"(, ?(W/)?\"[a-z]{0,4}\"|\\*|;a=1|\n){0,4}") {
        fields::run(text.as_bytes());
    }
}
