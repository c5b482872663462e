//! Prints how the judge does on the labelled corpus.
//!
//! `cargo run -p tiebreak-core --example judge_score [-- --wrong] [--no-packs]`

#![allow(clippy::print_stdout, missing_docs, unreachable_pub)]

#[path = "../tests/corpus/score.rs"]
mod score;

use score::{Line, Score, allow_undecidable, read, score as run};
use tiebreak_core::judge::Judge;
use tiebreak_core::verdict::Class;

fn show(name: &str, score: &Score) {
    println!(
        "{name:34} {:4} lines  accuracy {:5.1} %  unsafe {:2}  futile {:2}  unclear {:2}  false blocked {}",
        score.lines,
        score.permille() as f64 / 10.0,
        score.harmful.len(),
        score.futile.len(),
        score.unclear,
        score.false_blocked
    );
}

fn matrix(score: &Score) {
    print!("{:>12}", "label \\ is");
    for class in Class::ALL {
        print!(" {:>11}", class.as_str());
    }
    println!();
    for label in Class::ALL {
        if !score.confusion.keys().any(|(l, _)| *l == label) {
            continue;
        }
        print!("{:>12}", label.as_str());
        for class in Class::ALL {
            match score.confusion.get(&(label, class)) {
                Some(count) => print!(" {count:>11}"),
                None => print!(" {:>11}", "."),
            }
        }
        println!();
    }
}

fn main() {
    let has = |flag: &str| std::env::args().any(|a| a == flag);
    let standard = Judge::standard();
    let general = Judge::with_packs(Vec::new());
    let judge = if has("--no-packs") { &general } else { &standard };
    let conflicts = read(include_str!("../corpus/conflicts.jsonl"));
    let blocks = read(include_str!("../corpus/blocks.jsonl"));
    let mut captures = read(include_str!("../corpus/captures.jsonl"));
    let extra = read(include_str!("../corpus/extra.jsonl"));
    let genuine = || blocks.iter().filter(|l| l.class != Class::Blocked);
    let blocked = || blocks.iter().filter(|l| l.class == Class::Blocked);
    let strict = run(judge, &captures);
    let widened = allow_undecidable(&mut captures);
    for (name, score) in [
        ("conflicts", run(judge, &conflicts)),
        ("blocks: genuine API errors", run(judge, genuine())),
        ("blocks: blocked", run(judge, blocked())),
        ("captures, strict", strict),
        ("captures, undecidable allowed", run(judge, &captures)),
        ("extra", run(judge, &extra)),
    ] {
        show(name, &score);
        if has("--wrong") {
            for line in &score.wrong {
                println!("    wrong  {line}");
            }
        }
        for line in score.harmful.iter() {
            println!("    UNSAFE {line}");
        }
        for line in score.futile.iter() {
            println!("    futile {line}");
        }
    }
    println!("({widened} times a capture's label rests on what neither request nor answer shows)");
    let given: Vec<&Line> = conflicts.iter().chain(&blocks).collect();
    let all = run(judge, given.iter().copied());
    show("given: conflicts and blocks", &all);
    matrix(&all);
    println!("\nall packs disabled:");
    show("conflicts", &run(&general, &conflicts));
    show("captures, undecidable allowed", &run(&general, &captures));
    show("extra", &run(&general, &extra));
    println!("\none pack disabled, on the lines that it decided:");
    for pack in standard.packs() {
        let rest: Vec<_> = standard
            .packs()
            .iter()
            .filter(|p| p.name() != pack.name())
            .cloned()
            .collect();
        let without = Judge::with_packs(rest);
        let mine: Vec<&Line> = conflicts
            .iter()
            .chain(&captures)
            .chain(&extra)
            .filter(|l| l.verdict(&standard).dialect.as_deref() == Some(pack.name()))
            .collect();
        if !mine.is_empty() {
            show(
                &format!("  without {}", pack.name()),
                &run(&without, mine.iter().copied()),
            );
        }
    }
    if has("--apis") {
        for (api, (right, lines)) in &all.apis {
            println!("{api:40} {right}/{lines}");
        }
    }
}
