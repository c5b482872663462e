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
pub(crate) fn normalise(text: &str, code: bool, out: &mut Vec<u8>) {
    let start = out.len();
    let mut rest = text;
    loop {
        let bytes = rest.as_bytes();
        let ascii = if bytes.is_ascii() {
            bytes.len()
        } else {
            bytes.iter().position(|b| !b.is_ascii()).unwrap_or(bytes.len())
        };
        let (plain, tail) = rest.split_at_checked(ascii).unwrap_or((rest, ""));
        let plain = plain.as_bytes();
        if code {
            split_up(plain, start, out);
        } else {
            lower(plain, start, out);
        }
        let mut others = tail.chars();
        let Some(c) = others.next() else { return };
        rest = others.as_str();
        match c {
            '\u{2019}' | '\u{02BC}' => out.push(b'\''),
            // Arabic vowel signs, which are written or not.
            '\u{064B}'..='\u{0652}' => {}
            _ if c.is_whitespace() => {
                if out.len() > start && out.last() != Some(&b' ') {
                    out.push(b' ');
                }
            }
            _ => c
                .to_lowercase()
                .for_each(|c| out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes())),
        }
    }
}

/// What each byte of a message becomes.
const MESSAGE: [u8; 256] = {
    let mut table = [b' '; 256];
    let mut b = 0_u8;
    while b.is_ascii() {
        table[b as usize] = match b {
            b'\t' | b'\n' | 0x0C | b'\r' | b' ' | b'_' | b'-' => b' ',
            b'`' => b'\'',
            _ => b.to_ascii_lowercase(),
        };
        b += 1;
    }
    table
};

/// Appends a message: lower case, words apart by one blank.
fn lower(plain: &[u8], start: usize, out: &mut Vec<u8>) {
    let begin = out.len();
    let mut blank = begin == start || out.last() == Some(&b' ');
    // Each byte is written, and the next one over it where it was a second blank: no branch, no growing.
    out.resize(begin + plain.len(), b' ');
    let places = out.get_mut(begin..).unwrap_or(&mut []);
    let mut at = 0;
    for b in plain {
        let b = MESSAGE[usize::from(*b)];
        if let Some(place) = places.get_mut(at) {
            *place = b;
        }
        at += usize::from(!(blank && b == b' '));
        blank = b == b' ';
    }
    out.truncate(begin + at);
}

/// Appends a code: as [`lower`], and words that are run together apart.
fn split_up(plain: &[u8], start: usize, out: &mut Vec<u8>) {
    let mut previous = b' ';
    for (at, b) in plain.iter().copied().enumerate() {
        let hump = b.is_ascii_uppercase()
            && (previous.is_ascii_lowercase()
                || (previous.is_ascii_uppercase() && plain.get(at + 1).is_some_and(u8::is_ascii_lowercase)));
        let separator = b.is_ascii_whitespace() || b.is_ascii_punctuation();
        if (hump || separator) && out.len() > start && out.last() != Some(&b' ') {
            out.push(b' ');
        }
        if !separator {
            out.push(b.to_ascii_lowercase());
        }
        previous = b;
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
            let mut out = Vec::new();
            normalise(text, code, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), wanted);
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
