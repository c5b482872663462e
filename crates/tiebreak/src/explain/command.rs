//! Ready-made curl commands, quoted for a POSIX shell.

use crate::explain::case::Case;

/// The URL of the request, quoted; `"$URL"` where it is unknown.
pub(crate) fn url(case: &Case) -> String {
    match case.request.as_ref().and_then(|r| r.url.as_deref()) {
        Some(url) => quoted(url),
        None => "\"$URL\"".into(),
    }
}

/// The method of the request; `"$METHOD"` where it is unknown.
pub(crate) fn method(case: &Case) -> String {
    case.method().map_or_else(|| "\"$METHOD\"".into(), ToString::to_string)
}

/// The URL of a resource that the answer names by URL, path or identifier.
pub(crate) fn existing_url(case: &Case, existing: &str) -> String {
    let base = case.request.as_ref().and_then(|r| r.url.as_deref());
    if existing.starts_with("http://") || existing.starts_with("https://") {
        return quoted(existing);
    }
    let Some(base) = base.and_then(|b| url::Url::parse(b).ok()) else {
        return if existing.starts_with('/') {
            format!("\"$ORIGIN\"{}", quoted(existing))
        } else {
            format!("\"$URL\"/{}", quoted(existing))
        };
    };
    if existing.starts_with('/') {
        return base
            .join(existing)
            .map_or_else(|_| quoted(existing), |u| quoted(u.as_str()));
    }
    // Created by POST to a collection: the identifier is one step below. By PUT: the target itself.
    if case.method().is_some_and(|m| m != http::Method::POST) {
        return quoted(base.as_str());
    }
    let mut below = base.clone();
    below.set_query(None);
    if let Ok(mut steps) = below.path_segments_mut() {
        steps.pop_if_empty().push(existing);
    }
    quoted(below.as_str())
}

/// Reads a URL, showing the fields of the answer.
pub(crate) fn read(url: &str) -> String {
    format!("curl -i {url}")
}

/// The same request once more, as far as it was shown. Credentials are left for the person to fill in.
pub(crate) fn send_again(case: &Case) -> String {
    let mut command = format!("curl -i -X {} {}", method(case), url(case));
    let Some(request) = &case.request else {
        return command;
    };
    for (name, value) in &request.headers {
        let shown = match name.as_str() {
            "host" | "user-agent" | "accept" | "content-length" | "connection" | "accept-encoding" => continue,
            "authorization" | "proxy-authorization" | "cookie" | "x-api-key" => "…".into(),
            _ => String::from_utf8_lossy(value.as_bytes()),
        };
        command.push_str(&format!(" -H {}", quoted(&format!("{name}: {shown}"))));
    }
    match request.content.as_deref().map(std::str::from_utf8) {
        Some(Ok(content)) if content.len() <= 400 => command.push_str(&format!(" --data {}", quoted(content))),
        Some(_) => command.push_str(" --data @body"),
        None if case.method() != Some(&http::Method::DELETE) => command.push_str(" --data @body"),
        None => {}
    }
    command
}

/// `text` as one word of a POSIX shell.
fn quoted(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:@%+=,".contains(&b);
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_survive_the_shell() {
        assert_eq!(quoted("http://a/b?c=1"), "'http://a/b?c=1'");
        assert_eq!(quoted("it's $HOME; `rm`"), "'it'\\''s $HOME; `rm`'");
        assert_eq!(quoted("/plain-1.json"), "/plain-1.json");
        assert_eq!(quoted(""), "''");
    }
}
