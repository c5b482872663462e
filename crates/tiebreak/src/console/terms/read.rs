//! Reads the files of terms. They are part of the binary, so a fault in one is ours: it stops the tests, not a user.

use super::{Counts, Group, Link, Question, Term, Terms, Verb};

/// Reads all files; what is malformed is left out, which a test would see.
pub(super) fn all(files: &'static [(&'static str, &'static str)]) -> Terms {
    let read: Vec<(Term, Vec<(Verb, &'static str)>)> =
        files.iter().filter_map(|(slug, text)| term(slug, text)).collect();
    let position = |slug: &str| read.iter().position(|(t, _)| t.slug == slug);
    let mut links: Vec<Link> = Vec::new();
    for (from, (_, own)) in read.iter().enumerate() {
        for (verb, slug) in own {
            let Some(to) = position(slug) else { continue };
            // Confusion has no direction: said from both sides it is one connection.
            let known = |l: &Link| *verb == Verb::ConfusedWith && l.verb == *verb && l.from == to && l.to == from;
            if !links.iter().any(known) {
                links.push(Link { from, verb: *verb, to });
            }
        }
    }
    Terms {
        all: read.into_iter().map(|(term, _)| term).collect(),
        links,
    }
}

/// Reads one file: the term, and the connections it names.
pub(super) fn term(slug: &'static str, text: &'static str) -> Option<(Term, Vec<(Verb, &'static str)>)> {
    let (head, body) = text.split_once("\n---\n")?;
    let fields = || head.lines().filter_map(|line| line.split_once(": "));
    let value = |key: &str| fields().find(|(k, _)| *k == key).map(|(_, v)| v);
    let links = Verb::ALL.into_iter().flat_map(|verb| {
        let named = value(verb.word()).into_iter().flat_map(|list| list.split(", "));
        named.map(move |slug| (verb, slug))
    });
    let mut term = Term {
        slug,
        title: value("title")?,
        group: Group::ALL.into_iter().find(|g| Some(g.word()) == value("group"))?,
        short: value("short")?,
        source: value("source")?,
        counts: value("counts")
            .and_then(|v| v.split_once(' '))
            .map(|(of, value)| Counts { of, value }),
        facts: Vec::new(),
        sections: Vec::new(),
        questions: Vec::new(),
    };
    let links = links.collect();
    for (heading, lines) in cut(body, "## ") {
        match heading {
            "Facts" => {
                let facts = lines.iter().filter_map(|l| l.strip_prefix("- ")?.split_once(": "));
                term.facts = facts.collect();
            }
            "Questions" => {
                let text = cut_lines(lines, "### ");
                term.questions = text
                    .into_iter()
                    .map(|(question, lines)| Question {
                        question,
                        answer: lines.join("\n"),
                    })
                    .collect();
            }
            _ => term.sections.push((heading, lines.join("\n"))),
        }
    }
    Some((term, links))
}

fn cut(text: &'static str, mark: &str) -> Vec<(&'static str, Vec<&'static str>)> {
    cut_lines(text.lines().collect(), mark)
}

/// Cuts at the headings that begin with `mark`; a code block has none.
fn cut_lines(lines: Vec<&'static str>, mark: &str) -> Vec<(&'static str, Vec<&'static str>)> {
    let mut parts: Vec<(&'static str, Vec<&'static str>)> = Vec::new();
    let mut code = false;
    for line in lines {
        code ^= line.starts_with("```");
        match (line.strip_prefix(mark), parts.last_mut()) {
            (Some(heading), _) if !code => parts.push((heading, Vec::new())),
            (_, Some((_, part))) => part.push(line),
            (_, None) => {}
        }
    }
    parts
}
