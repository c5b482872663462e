//! User names and passwords in URLs (RFC 3986 §3.2.1): never sent, and never shown.

use std::borrow::Cow;
use std::ops::Range;

/// `text` without what may be a user name and a password: in each line all from a URL's `://` to the last `@`; where there is no `://`, the
/// word with a colon that the `@` ends. Rather too much is hidden than too little: a password may hold anything.
///
/// ```
/// use tiebreak_core::userinfo::hidden;
/// assert_eq!(hidden("\"http://me:secret@host/a\" is no origin"), "\"http://…@host/a\" is no origin");
/// assert_eq!(hidden("http://host/a"), "http://host/a");
/// ```
#[must_use]
pub fn hidden(text: &str) -> Cow<'_, str> {
    if text.split('\n').all(|line| secret(line).is_none()) {
        return Cow::Borrowed(text);
    }
    let lines = text.split('\n').map(|line| match secret(line) {
        Some(secret) => Cow::Owned(format!("{}…{}", &line[..secret.start], &line[secret.end..])),
        None => Cow::Borrowed(line),
    });
    Cow::Owned(lines.collect::<Vec<_>>().join("\n"))
}

fn secret(line: &str) -> Option<Range<usize>> {
    let at = line.rfind('@')?;
    let before = &line[..at];
    // In a URL a name alone may be a token; elsewhere it is an address of mail, or a file with fields.
    let from = match before.find("://") {
        Some(scheme) => scheme + "://".len(),
        None => {
            let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`');
            let end = before.char_indices().rev().find(|(_, c)| ends(*c));
            end.map_or(0, |(n, c)| n + c.len_utf8())
        }
    };
    let is_secret = before[..from].ends_with("://") || before[from..].contains(':');
    (is_secret && from < at).then_some(from..at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_may_be_a_password_is_hidden() {
        for (text, shown) in [
            ("http://u:p@h/x", "http://…@h/x"),
            ("http://token@h", "http://…@h"),
            ("http://u:p@ss w/o?rd\"@h", "http://…@h"),
            ("u:p@h", "…@h"),
            ("upstream = \"u:p@h\" # ours", "upstream = \"…@h\" # ours"),
            ("use `http://u:p@h`: why", "use `http://…@h`: why"),
            ("http://u:p@h and http://u:q@h", "http://…@h"),
            ("see\u{a0}u:p@h", "see\u{a0}…@h"),
            ("see\u{3000}u:p@h", "see\u{3000}…@h"),
            ("a: http://h\nb: http://u:p@h\nc", "a: http://h\nb: http://…@h\nc"),
        ] {
            assert_eq!(hidden(text), shown);
        }
    }

    #[test]
    fn what_is_none_stays() {
        for text in [
            "",
            "http://h/x",
            "@fields.txt",
            "me@mail.example",
            "a: b",
            "http://@h",
            "route \"a\": found \"b@c\"",
        ] {
            assert_eq!(hidden(text), text);
        }
    }
}
