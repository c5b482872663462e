use std::collections::BTreeSet;

use super::*;

/// Every file of the folder is read, and nothing is missing from any.
#[test]
fn every_term_is_complete() {
    let terms = Terms::get();
    assert_eq!(terms.all.len(), FILES.len(), "a file is malformed");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/console/terms");
    let files = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name());
    let written: BTreeSet<String> = files
        .filter_map(|f| f.to_str()?.strip_suffix(".md").map(str::to_owned))
        .collect();
    let listed: BTreeSet<String> = FILES.iter().map(|(slug, _)| (*slug).to_owned()).collect();
    assert_eq!(written, listed);
    assert!(listed.len() >= 50, "{}", listed.len());
    for term in &terms.all {
        let name = term.slug;
        assert!(term.facts.len() >= 2, "{name}: too few facts");
        let headings: Vec<&str> = term.sections.iter().map(|s| s.0).collect();
        assert_eq!(headings[0], "What it means", "{name}");
        assert!(headings.len() >= 3, "{name}: {headings:?}");
        assert!(headings.iter().any(|h| h.starts_with("Why")), "{name}: {headings:?}");
        assert!(headings.iter().any(|h| h.starts_with("How to")), "{name}: {headings:?}");
        assert!(
            term.sections.iter().all(|s| s.1.trim().len() > 30),
            "{name}: an empty section"
        );
        assert!(term.questions.len() >= 2, "{name}: too few questions");
        for question in &term.questions {
            assert!(question.question.ends_with('?'), "{name}: {}", question.question);
            assert!(!question.answer.trim().is_empty(), "{name}: {}", question.question);
        }
        assert!(
            term.short.ends_with('.') && term.short.len() < 140,
            "{name}: {}",
            term.short
        );
    }
}

#[test]
fn every_term_is_connected_and_every_connection_leads_somewhere() {
    let terms = Terms::get();
    for (slug, text) in FILES {
        let (_, links) = read::term(slug, text).unwrap();
        for (verb, to) in links {
            assert!(terms.position(to).is_some(), "{slug} {} {to}", verb.forth());
            assert_ne!(*slug, to);
        }
        let at = terms.position(slug).unwrap();
        assert!(!terms.around(at).is_empty(), "{slug} stands alone");
    }
    for verb in Verb::ALL {
        assert!(terms.links.iter().any(|l| l.verb == verb), "{verb:?} is not used");
    }
    let mut seen = BTreeSet::new();
    for link in &terms.links {
        assert!(seen.insert((link.from, link.verb, link.to)), "{link:?} twice");
    }
}

#[test]
fn a_connection_reads_from_both_ends() {
    let terms = Terms::get();
    let said = |from: &str, to: &str| {
        let at = terms.position(from).unwrap();
        let around = terms.around(at);
        around
            .into_iter()
            .filter(|(_, _, other)| other.slug == to)
            .map(|(verb, forth, _)| if forth { verb.forth() } else { verb.back() })
            .collect::<Vec<_>>()
    };
    assert_eq!(said("stale-version", "412"), ["causes"]);
    assert_eq!(said("412", "stale-version"), ["is caused by"]);
    assert_eq!(said("409", "412"), ["is confused with"]);
    assert_eq!(said("412", "409"), ["is confused with"]);
}

#[test]
fn a_code_block_has_no_headings() {
    let text = "title: T\ngroup: guard\nshort: S.\nsource: X\n---\n## What it means\n```\n## not a heading\n```\n";
    let (term, _) = read::term("t", text).unwrap();
    assert_eq!(term.sections.len(), 1);
}
