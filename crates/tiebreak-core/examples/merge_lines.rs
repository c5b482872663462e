//! Merges lines `{"base": …, "ours": …, "theirs": …}` from standard input; one line comes out for each:
//! `{"merged": …}` or `{"overlaps": ["/place", …]}`. For `bench/merge`.

use std::io::{BufRead, Write};

use serde_json::json;
use tiebreak_core::json::{MAX_DEPTH, parse_strict};
use tiebreak_core::merge::{Edit, MergeFailure, MergeRules, Representation, rebase};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let case = parse_strict(line?.as_bytes(), MAX_DEPTH)?;
        let version = |name: &str| Representation::new("application/json", case[name].to_string());
        let edit = Edit::Whole(version("ours"));
        let outcome = match rebase(&edit, &version("base"), &version("theirs"), &MergeRules::default()) {
            Ok(merged) => json!({ "merged": parse_strict(&merged.content, MAX_DEPTH)? }),
            Err(MergeFailure::Overlap(overlaps)) => {
                let places: Vec<String> = overlaps.iter().map(|overlap| overlap.pointer.to_string()).collect();
                json!({ "overlaps": places })
            }
            Err(MergeFailure::NotMergeable(why)) => json!({ "refused": why.to_string() }),
        };
        writeln!(out, "{outcome}")?;
    }
    Ok(())
}
