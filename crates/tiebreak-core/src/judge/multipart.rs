//! Answers to batches in multipart form: one HTTP answer in each part (OData 4.01 part 1 §11.7, Google's batch).

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::judge::body::has;

/// How many answers are looked at; the rest are only counted.
const MAX_PARTS: usize = 64;
/// How many boundaries may be open: the batch's, and those of its changesets one after another.
const MAX_BOUNDARIES: usize = 32;
/// How many fields of one answer are read.
const MAX_FIELDS: usize = 32;

/// The answer in one part.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    /// Which of the answers it is, from 0.
    pub(crate) index: usize,
    /// What the batch calls it (`Content-ID`).
    pub(crate) id: Option<String>,
    pub(crate) status: u16,
    pub(crate) fields: HeaderMap,
    pub(crate) body: &'a str,
}

/// The answers that failed, and how many there are in all. `None` if `content_type` is no multipart or no part holds an answer.
pub(crate) fn failed<'a>(content_type: &str, text: &'a str) -> Option<(Vec<Part<'a>>, usize)> {
    let mut boundaries = vec![boundary(content_type)?];
    let mut failed = Vec::new();
    let (mut all, mut start, mut at) = (0, None, 0);
    // A cut answer ends without its last delimiter: what follows the last one is a part all the same.
    for line in text.split_inclusive('\n').chain(std::iter::once("")) {
        let bare = line.trim_end();
        let delimits = bare
            .strip_prefix("--")
            .is_some_and(|rest| boundaries.iter().any(|b| rest.strip_suffix("--").unwrap_or(rest) == *b));
        if delimits || line.is_empty() {
            let part = start.and_then(|start| text.get(start..at));
            if let Some(mut part) = part.and_then(answer) {
                part.index = all;
                all += 1;
                if part.status >= 400 && failed.len() < MAX_PARTS {
                    failed.push(part);
                }
            }
            start = Some(at + line.len());
        } else if boundaries.len() < MAX_BOUNDARIES
            && field(bare).is_some_and(|(n, _)| n.eq_ignore_ascii_case("content-type"))
        {
            boundaries.extend(boundary(bare));
        }
        at += line.len();
    }
    (all > 0).then_some((failed, all))
}

/// The boundary that a content type names, if it is a multipart.
fn boundary(content_type: &str) -> Option<&str> {
    if !has(content_type, "multipart/") {
        return None;
    }
    let found = content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then_some(value)
    })?;
    Some(found.trim().trim_matches('"')).filter(|b| !b.is_empty())
}

fn field(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    Some((name.trim(), value.trim()))
}

/// What stands before the first empty line, and what after.
fn head(text: &str) -> (&str, &str) {
    // There may be nothing before it.
    if let Some(after) = text.strip_prefix("\r\n").or_else(|| text.strip_prefix('\n')) {
        return ("", after);
    }
    let empty = ["\r\n\r\n", "\n\n"]
        .into_iter()
        .filter_map(|end| text.find(end).map(|at| (at, end.len())))
        .min();
    match empty {
        Some((at, len)) => (text.get(..at).unwrap_or(""), text.get(at + len..).unwrap_or("")),
        None => (text, ""),
    }
}

/// The HTTP answer that a part holds.
fn answer(part: &str) -> Option<Part<'_>> {
    let (about, answer) = head(part);
    let (top, body) = head(answer.trim_start());
    let mut lines = top.lines();
    let mut words = lines.next()?.split(' ');
    words.next().filter(|version| version.starts_with("HTTP/"))?;
    let status = words.next()?.trim().parse().ok()?;
    let mut fields = HeaderMap::new();
    for (name, value) in lines.take(MAX_FIELDS).filter_map(field) {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
            fields.append(name, value);
        }
    }
    let named = |line: &str| {
        field(line)
            .filter(|(n, _)| n.eq_ignore_ascii_case("content-id"))
            .map(|(_, v)| v.to_owned())
    };
    let id = about.lines().chain(top.lines()).take(2 * MAX_FIELDS).find_map(named);
    Some(Part {
        index: 0,
        id,
        status,
        fields,
        body,
    })
}

#[cfg(test)]
mod tests {
    use super::failed;

    #[test]
    fn answers_are_found_in_changesets_too() {
        let text = "--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{}\r\n\
                    --b\r\nContent-Type: multipart/mixed; boundary=\"c d\"\r\n\r\n\
                    --c d\r\nContent-Type: application/http\r\nContent-ID: 2\r\n\r\nHTTP/1.1 201 Created\r\n\r\n\r\n\
                    --c d\nContent-Type: application/http\nContent-ID: 3\n\nHTTP/1.1 412 Precondition Failed\nRetry-After: 3\n\n{\"error\":{}}\n\
                    --c d--\r\n--b--\r\n";
        let (found, all) = failed("multipart/mixed; charset=utf-8; boundary=b", text).expect("a batch");
        assert_eq!((found.len(), all), (1, 3));
        assert_eq!(
            (found[0].index, found[0].status, found[0].id.as_deref()),
            (2, 412, Some("3"))
        );
        assert_eq!(found[0].fields["retry-after"], "3");
        assert_eq!(found[0].body.trim(), "{\"error\":{}}");
    }

    #[test]
    fn what_is_no_batch_is_left_alone() {
        assert!(failed("text/plain", "--b\n").is_none());
        assert!(failed("multipart/mixed", "--b\n").is_none());
        assert!(
            failed(
                "multipart/form-data; boundary=b",
                "--b\nContent-Disposition: form-data\n\nHTTP is fine\n--b--"
            )
            .is_none()
        );
    }

    #[test]
    fn a_cut_batch_gives_what_could_be_read() {
        let text = "--b\n\nHTTP/1.1 409 Conflict\n\n{\"error\":{\"code\":\"dup";
        let (found, all) = failed("multipart/mixed;boundary=b", text).expect("a batch");
        assert_eq!((found.len(), all), (1, 1));
        assert_eq!(found[0].body, "{\"error\":{\"code\":\"dup");
    }
}
