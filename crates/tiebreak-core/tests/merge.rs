//! Runs the examples of `docs/merging.md`, and the cases beside this file.

use bytes::Bytes;
use http::Method;
use tiebreak_core::merge::{Edit, MergeFailure, MergeRules, Overlap, Representation, rebase};
use tiebreak_core::policy::OnOverlap;

/// The `merge` blocks of a page, each with the line that it begins on.
fn blocks(page: &str) -> Vec<(usize, Vec<(&str, &str)>)> {
    let mut out = Vec::new();
    let mut open: Option<(usize, Vec<(&str, &str)>)> = None;
    for (at, line) in page.lines().enumerate() {
        match (line, &mut open) {
            ("```merge", _) => open = Some((at + 1, Vec::new())),
            ("```", Some(_)) => out.extend(open.take()),
            (line, Some((_, fields))) => {
                let (name, value) = line.split_once(':').expect("a block has lines like `base: …`");
                fields.push((name, value.trim()));
            }
            _ => {}
        }
    }
    out
}

fn pointers(overlaps: &[Overlap]) -> String {
    let pointers: Vec<String> = overlaps.iter().map(|overlap| overlap.pointer.to_string()).collect();
    pointers.join(" ")
}

/// What came of a block: the fields `result`, `changed`, `settled`, `overlap` or `refused` as they should be.
fn run(fields: &[(&str, &str)]) -> Result<(), String> {
    let get = |name: &str| fields.iter().find(|(found, _)| *found == name).map(|(_, value)| *value);
    let mut rules = MergeRules::default();
    for (name, value) in fields {
        let words: Vec<&str> = value.split_whitespace().collect();
        rules = match (*name, words.as_slice()) {
            ("identity", [place, members @ ..]) => rules.with_identity(place, members).expect("pointer"),
            ("together", places) => rules.with_together(places).expect("set"),
            ("volatile", [place]) => rules.with_volatile(place).expect("pointer"),
            ("on_overlap", ["ours"]) => rules.with_overlap(OnOverlap::Ours),
            ("on_overlap", ["theirs"]) => rules.with_overlap(OnOverlap::Theirs),
            _ => rules,
        };
    }
    let content_type = get("type").unwrap_or("application/json");
    let (method, sent_type, sent) = match (get("ours"), get("patch"), get("json-patch")) {
        (Some(ours), None, None) => (Method::PUT, content_type, ours),
        (None, Some(patch), None) => (Method::PATCH, "application/merge-patch+json", patch),
        (None, None, Some(patch)) => (Method::PATCH, "application/json-patch+json", patch),
        other => panic!("one of ours, patch, json-patch: {other:?}"),
    };
    let edit = Edit::read(&method, sent_type, None, &Bytes::copy_from_slice(sent.as_bytes()));
    let version = |name| Representation::new(content_type, get(name).expect("base and theirs").to_owned());
    let outcome = rebase(&edit, &version("base"), &version("theirs"), &rules);
    let (expected, found) = match &outcome {
        Ok(merged) => {
            let settled = get("settled").is_none_or(|settled| settled == pointers(&merged.settled));
            if merged.changed != (get("changed") != Some("no")) || !settled {
                return Err(format!("{merged:?}"));
            }
            (
                get("result").map(str::to_owned),
                String::from_utf8_lossy(&merged.content).into_owned(),
            )
        }
        Err(MergeFailure::Overlap(overlaps)) => (get("overlap").map(str::to_owned), pointers(overlaps)),
        Err(MergeFailure::NotMergeable(why)) => {
            let found = why.to_string();
            let expected = get("refused").filter(|part| found.contains(part));
            (expected.map(|_| found.clone()), found)
        }
    };
    if expected.as_deref() == Some(&found) {
        Ok(())
    } else {
        Err(format!("{outcome:?}"))
    }
}

fn run_page(name: &str, page: &str, at_least: usize) {
    let blocks = blocks(page);
    assert!(blocks.len() >= at_least, "{name} has only {} blocks", blocks.len());
    let failures: Vec<String> = blocks
        .iter()
        .filter_map(|(line, fields)| {
            run(fields)
                .err()
                .map(|found| format!("{name}:{line}: {fields:?}\n  gave {found}"))
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn examples_of_the_page_about_merging() {
    run_page("docs/merging.md", include_str!("../../../docs/merging.md"), 14);
}

#[test]
fn cases() {
    run_page("cases.md", include_str!("merge/cases.md"), 50);
}

#[test]
fn an_overlap_says_what_each_side_has_and_absent_is_not_null() {
    let edit = Edit::read(
        &Method::PUT,
        "application/json",
        None,
        &Bytes::from_static(b"{\"a\":null}"),
    );
    let base = Representation::new("application/json", "{}");
    let current = Representation::new("application/json", "{\"a\":1}");
    let Err(MergeFailure::Overlap(overlaps)) = rebase(&edit, &base, &current, &MergeRules::default()) else {
        panic!("no overlap");
    };
    assert_eq!(
        overlaps[0].to_json().to_string(),
        r#"{"pointer":"/a","ours":null,"theirs":1}"#
    );
}

#[test]
fn other_writes_are_not_merged() {
    let current = Representation::new("application/json", "{}");
    for (method, content_type, coding) in [
        (Method::POST, "application/json", None),
        (Method::DELETE, "", None),
        (Method::PATCH, "application/json", None),
        (Method::PATCH, "application/strategic-merge-patch+json", None),
        (Method::PUT, "application/json", Some("gzip")),
        (Method::PATCH, "application/merge-patch+json", Some("br")),
    ] {
        let edit = Edit::read(&method, content_type, coding, &Bytes::from_static(b"{}"));
        let outcome = rebase(&edit, &current, &current, &MergeRules::default());
        assert!(
            matches!(outcome, Err(MergeFailure::NotMergeable(_))),
            "{method} {content_type} {outcome:?}"
        );
    }
}
