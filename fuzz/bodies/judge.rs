//! What the target `judge` does with its input; also run, bounded, by the tests of `tiebreak-core`.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use tiebreak_core::judge::{Asked, Judge};
use tiebreak_core::response::Response;

/// Judges the answer that `data` describes: status (two bytes), method (one), header lines, an empty line, content.
pub(crate) fn run(data: &[u8]) {
    let (Some(&[high, low, method]), rest) = (data.first_chunk::<3>(), data.get(3..).unwrap_or_default()) else {
        return;
    };
    let Ok(status) = StatusCode::from_u16(100 + u16::from_be_bytes([high, low]) % 900) else {
        return;
    };
    let methods = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let mut sent = HeaderMap::new();
    let mut headers = HeaderMap::new();
    let mut rest = rest;
    loop {
        let end = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
        let (line, after) = (&rest[..end], rest.get(end + 1..).unwrap_or_default());
        rest = after;
        if line.is_empty() {
            break;
        }
        // A line with `>` before it belongs to the request.
        let (map, line) = match line.strip_prefix(b">") {
            Some(line) => (&mut sent, line),
            None => (&mut headers, line),
        };
        if let Some(colon) = line.iter().position(|b| *b == b':')
            && let (Ok(name), Ok(value)) = (
                HeaderName::from_bytes(&line[..colon]),
                HeaderValue::from_bytes(line[colon + 1..].trim_ascii()),
            )
        {
            map.append(name, value);
        }
    }
    let response = Response {
        status,
        headers,
        content: rest.to_vec().into(),
        complete: true,
    };
    let judge = Judge::standard();
    let asked = Asked::new(&methods[usize::from(method) % methods.len()], "/a/b?c=d", &sent).with_content(rest);
    let verdict = judge.judge(&asked, &response);
    // The same answer leads to the same verdict, and to a delivery of some kind.
    assert_eq!(verdict, judge.judge(&asked, &response));
    let _ = judge.reading(status, &verdict);
    assert!(!verdict.evidence.is_empty(), "a verdict without evidence");
}
