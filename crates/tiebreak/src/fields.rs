//! `--header`: fields that go with every request, often credentials. Their values are never printed.

use http::{HeaderMap, HeaderName, HeaderValue};

/// Reads the values of `--header`: `Name: value`, or `@FILE` with one in each line.
pub(crate) fn read(given: &[String]) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for given in given {
        match given.strip_prefix('@') {
            None => add(&mut headers, given)?,
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|e| format!("read --header @{path}: {e}"))?;
                for line in text.lines().filter(|l| !l.trim().is_empty()) {
                    add(&mut headers, line)?;
                }
            }
        }
    }
    Ok(headers)
}

/// Adds one field; what is wrong is said without its value.
fn add(headers: &mut HeaderMap, text: &str) -> Result<(), String> {
    let malformed = || "read a --header; write it like \"Authorization: Bearer …\"".to_owned();
    let (name, value) = text.split_once(':').ok_or_else(malformed)?;
    let name: HeaderName = name.trim().parse().map_err(|_| malformed())?;
    let mut value: HeaderValue = value
        .trim()
        .parse()
        .map_err(|_| format!("use the value of --header {name}"))?;
    value.set_sensitive(true);
    headers.append(name, value);
    Ok(())
}
