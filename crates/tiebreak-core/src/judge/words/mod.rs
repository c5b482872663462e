//! What the wording of an answer says: phrases in several languages, found in one pass.

mod lexicon;

use std::sync::LazyLock;

pub(crate) use lexicon::{Hit, Lexicon, Mark};

/// The built-in phrases, compiled once.
pub(crate) static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| {
    Lexicon::build(&[
        include_str!("en.txt"),
        include_str!("de.txt"),
        include_str!("romance.txt"),
        include_str!("slavic.txt"),
        include_str!("nl.txt"),
        include_str!("cjk.txt"),
        include_str!("ar.txt"),
    ])
});

/// Writes `text` into `out` as the lexicon expects it: lower case, words apart by one blank.
///
/// With `code`, words run together are taken apart too: `nameAlreadyExists`, `HTTPConflict`.
pub(crate) fn normalise(text: &str, code: bool, out: &mut String) {
    let start = out.len();
    let mut previous = ' ';
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let next_lower = chars.peek().is_some_and(|n| n.is_ascii_lowercase());
        let hump = code
            && c.is_ascii_uppercase()
            && (previous.is_ascii_lowercase() || (previous.is_ascii_uppercase() && next_lower));
        let separator = c.is_whitespace() || matches!(c, '_' | '-') || (code && c.is_ascii_punctuation());
        if (hump || separator) && out.len() > start && !out.ends_with(' ') {
            out.push(' ');
        }
        if !separator {
            match c {
                '\u{2019}' | '\u{02BC}' | '`' => out.push('\''),
                // Arabic vowel signs, which are written or not.
                '\u{064B}'..='\u{0652}' => {}
                _ if c.is_ascii() => out.push(c.to_ascii_lowercase()),
                _ => out.extend(c.to_lowercase()),
            }
        }
        previous = c;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_form() {
        for (text, code, wanted) in [
            ("IDEMPOTENCY_KEY_REUSED", true, "idempotency key reused"),
            ("nameAlreadyExists", true, "name already exists"),
            ("HTTPConflictError", true, "http conflict error"),
            ("commit.stale_parent", true, "commit stale parent"),
            ("It\u{2019}s  in-progress", false, "it's in progress"),
            ("ÄNDERUNG", false, "änderung"),
        ] {
            let mut out = String::new();
            normalise(text, code, &mut out);
            assert_eq!(out, wanted);
        }
    }

    #[test]
    fn negation_is_respected() {
        let marks = |text: &str| LEXICON.hits(text).iter().map(|h| h.mark).collect::<Vec<_>>();
        assert!(marks("an update is in progress").contains(&Mark::Race));
        assert!(!marks("the task is not in progress").contains(&Mark::Race));
        assert!(!marks("the name does not already exist").contains(&Mark::Duplicate));
        assert!(marks("it already exists").contains(&Mark::Duplicate));
        assert!(!marks("preexisting").contains(&Mark::Duplicate));
    }
}
