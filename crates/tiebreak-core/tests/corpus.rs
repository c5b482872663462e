//! The judge on the labelled corpus: it must not get worse than `corpus/figures.txt` says.

#[path = "corpus/score.rs"]
#[allow(unreachable_pub, dead_code)]
mod score;

use std::collections::BTreeMap;

use score::{Line, Score, allow_undecidable, read, score as run};
use tiebreak_core::judge::Judge;
use tiebreak_core::verdict::Class;

/// Name → (least accuracy in tenths of a percent, most unsafe remedies, most futile waits, most unclear verdicts).
fn recorded() -> BTreeMap<&'static str, [usize; 4]> {
    include_str!("../corpus/figures.txt")
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| {
            let (name, figures) = line.split_once(':').expect("name: figures");
            let mut numbers = figures.split_whitespace().map(|n| n.parse().expect("a number"));
            (name, std::array::from_fn(|_| numbers.next().expect("four figures")))
        })
        .collect()
}

#[test]
fn figures_do_not_get_worse() {
    let standard = Judge::standard();
    let general = Judge::with_packs(Vec::new());
    let conflicts = read(include_str!("../corpus/conflicts.jsonl"));
    let blocks = read(include_str!("../corpus/blocks.jsonl"));
    let mut captures = read(include_str!("../corpus/captures.jsonl"));
    let extra = read(include_str!("../corpus/extra.jsonl"));
    let strict = run(&standard, &captures);
    allow_undecidable(&mut captures);
    let given: Vec<&Line> = conflicts.iter().chain(&blocks).collect();
    let genuine = || blocks.iter().filter(|l| l.class != Class::Blocked);
    let recorded = recorded();
    let scored: [(&str, Score); 10] = [
        ("conflicts", run(&standard, &conflicts)),
        ("blocks", run(&standard, &blocks)),
        ("genuine", run(&standard, genuine())),
        ("given", run(&standard, given.iter().copied())),
        ("captures-strict", strict),
        ("captures", run(&standard, &captures)),
        ("extra", run(&standard, &extra)),
        ("conflicts-without-packs", run(&general, &conflicts)),
        ("captures-without-packs", run(&general, &captures)),
        ("extra-without-packs", run(&general, &extra)),
    ];
    let mut worse = Vec::new();
    for (name, score) in &scored {
        let [accuracy, harmful, futile, unclear] = recorded[name];
        let now = [score.permille(), score.harmful.len(), score.futile.len(), score.unclear];
        println!("{name}: {} {} {} {}", now[0], now[1], now[2], now[3]);
        if now[0] < accuracy || now[1] > harmful || now[2] > futile || now[3] > unclear {
            worse.push(format!("{name}: recorded {:?}, now {now:?}", recorded[name]));
            worse.extend(score.harmful.iter().chain(&score.futile).chain(&score.wrong).cloned());
        }
        assert_eq!(score.false_blocked, 0, "{name}: a genuine answer is called blocked");
    }
    assert!(worse.is_empty(), "{}", worse.join("\n"));
}

/// The promise that counts: no remedy that does harm, with any single pack missing, and with none.
#[test]
fn no_remedy_is_unsafe_whatever_packs_are_known() {
    let standard = Judge::standard();
    let conflicts = read(include_str!("../corpus/conflicts.jsonl"));
    let blocks = read(include_str!("../corpus/blocks.jsonl"));
    let mut captures = read(include_str!("../corpus/captures.jsonl"));
    allow_undecidable(&mut captures);
    let extra = read(include_str!("../corpus/extra.jsonl"));
    let lines: Vec<&Line> = conflicts.iter().chain(&blocks).chain(&captures).chain(&extra).collect();
    let mut judges = vec![("none".to_owned(), Judge::with_packs(Vec::new()))];
    for pack in standard.packs() {
        let rest = standard
            .packs()
            .iter()
            .filter(|p| p.name() != pack.name())
            .cloned()
            .collect();
        judges.push((pack.name().to_owned(), Judge::with_packs(rest)));
    }
    for (missing, judge) in judges {
        let score = run(&judge, lines.iter().copied());
        assert!(
            score.harmful.is_empty(),
            "without {missing}: {}",
            score.harmful.join("\n")
        );
    }
}

/// Every verdict explains itself: a place that exists and an excerpt that stands there.
#[test]
fn evidence_is_exact() {
    let judge = Judge::standard();
    for text in [
        include_str!("../corpus/conflicts.jsonl"),
        include_str!("../corpus/extra.jsonl"),
    ] {
        for line in read(text) {
            let verdict = line.verdict(&judge);
            assert!(!verdict.evidence.is_empty(), "{}", line.id);
            for evidence in &verdict.evidence {
                assert!(!evidence.signal.is_empty() && !evidence.place.is_empty(), "{}", line.id);
                let Some(name) = evidence.place.strip_prefix("header ") else {
                    continue;
                };
                let value = line.response.field(name).expect("the header is there");
                assert!(value.starts_with(&evidence.excerpt), "{}: {evidence:?}", line.id);
            }
        }
    }
}
