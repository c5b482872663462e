//! Where the evidence stands in a text that was pasted.

use std::ops::Range;

use tiebreak_core::verdict::Evidence;

/// For each piece of evidence the bytes of `text` that it quotes. No two overlap. `None`: the excerpt is not found literally.
pub(crate) fn places(text: &str, evidence: &[Evidence]) -> Vec<Option<Range<usize>>> {
    let mut all: Vec<Option<Range<usize>>> = Vec::new();
    for e in evidence {
        let found = find(text, &e.place, &e.excerpt, &all);
        all.push(found);
    }
    all
}

fn find(text: &str, place: &str, excerpt: &str, taken: &[Option<Range<usize>>]) -> Option<Range<usize>> {
    let excerpt = excerpt.trim_end_matches('…').trim();
    if excerpt.is_empty() {
        return None;
    }
    // Where what it is about begins: a field's name, or the content behind the empty line.
    let begin = match place.split_once(' ') {
        Some(("header", name)) => position(text, &format!("{name}:"))?,
        _ if place.starts_with("body") => content_of(text),
        _ => 0,
    };
    let quoted = serde_json::to_string(excerpt).unwrap_or_default();
    let escaped = quoted.trim_matches('"');
    let is_free = |r: &Range<usize>| taken.iter().flatten().all(|t| r.end <= t.start || t.end <= r.start);
    let from = |begin: usize| {
        [excerpt, escaped].into_iter().find_map(|part| {
            let mut hits = text[begin..].match_indices(part);
            hits.find_map(|(at, hit)| Some(begin + at..begin + at + hit.len()).filter(is_free))
        })
    };
    from(begin).or_else(|| from(0))
}

/// Where a name stands at the beginning of a line, whatever its case; curl marks the lines of `-v`.
fn position(text: &str, name: &str) -> Option<usize> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = line.len() - line.trim_start_matches(['<', '>', ' ']).len();
        if line
            .get(start..start + name.len())
            .is_some_and(|l| l.eq_ignore_ascii_case(name))
        {
            return Some(at + start);
        }
        at += line.len();
    }
    None
}

fn content_of(text: &str) -> usize {
    let ends = ["\r\n\r\n", "\n\n"]
        .iter()
        .filter_map(|end| text.find(end).map(|at| at + end.len()));
    ends.min().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "HTTP/1.1 409 Conflict\r\nContent-Type: application/json\r\nX-Ä: 409\r\n\r\n{\"error\": \"409: name \\\"x\\\" is taken\"}";

    fn found(text: &str, quoted: &[(&'static str, &str)]) -> Vec<Option<Range<usize>>> {
        let evidence: Vec<Evidence> = quoted
            .iter()
            .map(|(place, excerpt)| Evidence {
                signal: "s".into(),
                place: (*place).into(),
                excerpt: (*excerpt).into(),
            })
            .collect();
        places(text, &evidence)
    }

    fn marked(place: &'static str, excerpt: &str) -> Option<&'static str> {
        Some(&ANSWER[found(ANSWER, &[(place, excerpt)]).remove(0)?])
    }

    #[test]
    fn evidence_is_found_where_it_stands() {
        assert_eq!(found(ANSWER, &[("status", "409")]), [Some(9..12)]);
        assert_eq!(
            marked("header content-type", "application/json"),
            Some("application/json")
        );
        let in_body = found(ANSWER, &[("body /error", "409")]).remove(0);
        assert!(in_body.unwrap().start > 70);
        assert_eq!(
            marked("body /error", "name \"x\" is taken…"),
            Some("name \\\"x\\\" is taken"),
            "also as it is escaped there"
        );
        assert_eq!(marked("body", "not there"), None);
        assert_eq!(marked("body", ""), None);
        assert_eq!(marked("header etag", "409"), None, "the field is not shown");
    }

    #[test]
    fn two_pieces_of_evidence_do_not_overlap() {
        let quoted = ["b", "<mark>", "mark", "missing"].map(|excerpt| ("body", excerpt));
        assert_eq!(found("a <mark> b", &quoted), [Some(9..10), Some(2..8), None, None]);
        assert_eq!(found("x x", &[("body", "x"), ("body", "x")]), [Some(0..1), Some(2..3)]);
    }
}
