//! What is never shown: values under names that speak of a secret.

use percent_encoding::percent_decode_str;
use serde_json::Value;

/// What stands for a value that is concealed.
/// What stands for a concealed value.
pub const CONCEALED: &str = "(concealed)";

/// Words that speak of a secret, in the name of a query parameter or of a member.
const WORDS: [&str; 15] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "api_key",
    "api-key",
    "credential",
    "authorization",
    "cookie",
    "session",
    "privatekey",
    "private_key",
    "signature",
];

/// Names of secrets that are too short to be looked for within others ("otp" is a part of "footprint").
const SHORT: [&str; 7] = ["pwd", "pass", "otp", "pin", "jwt", "cvc", "cvv"];

/// Names that mean a secret in a query, and something else in a document.
const QUERY: [&str; 4] = ["sig", "key", "auth", "code"];

/// Longer texts in an overlap are cut.
const LONGEST: usize = 2_000;

/// Which values are concealed: those under names with a word that speaks of a secret, and under the names given.
#[derive(Debug, Clone, Default)]
pub struct Conceal {
    names: Vec<String>,
}

impl Conceal {
    /// Conceals values under these names as well.
    #[must_use]
    pub fn also(names: &[String]) -> Conceal {
        Conceal {
            names: names.iter().map(|n| n.to_ascii_lowercase()).collect(),
        }
    }

    fn hides(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        WORDS.iter().any(|word| name.contains(word)) || SHORT.contains(&name.as_str()) || self.names.contains(&name)
    }

    /// A target URI without the values of concealed query parameters (a signed URL is a credential).
    #[must_use]
    pub fn target(&self, uri: &str) -> String {
        let Some((path, query)) = uri.split_once('?') else {
            return uri.to_owned();
        };
        let shown = query.split('&').map(|pair| match pair.split_once('=') {
            Some((name, value)) if !value.is_empty() => {
                // Escapes must not hide what it is.
                let plain = percent_decode_str(name).decode_utf8_lossy().to_ascii_lowercase();
                if QUERY.contains(&plain.as_str()) || self.hides(&plain) {
                    format!("{name}={CONCEALED}")
                } else {
                    pair.to_owned()
                }
            }
            _ => pair.to_owned(),
        });
        format!("{path}?{}", shown.collect::<Vec<_>>().join("&"))
    }

    /// The overlaps of a conflict report, without concealed values.
    #[must_use]
    pub fn overlaps(&self, mut conflicts: Value) -> Value {
        for conflict in conflicts.as_array_mut().into_iter().flatten() {
            let pointer = conflict["pointer"].as_str().unwrap_or_default().to_owned();
            let hidden = pointer.split('/').any(|token| self.hides(token));
            for side in ["base", "ours", "theirs"] {
                if let Some(value) = conflict.get_mut(side) {
                    if hidden {
                        *value = CONCEALED.into();
                    } else {
                        self.inside(value);
                    }
                }
            }
        }
        conflicts
    }

    fn inside(&self, value: &mut Value) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    if self.hides(name) {
                        *value = CONCEALED.into();
                    } else {
                        self.inside(value);
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|v| self.inside(v)),
            Value::String(text) if text.len() > LONGEST => {
                let end = (0..=LONGEST).rev().find(|n| text.is_char_boundary(*n)).unwrap_or(0);
                text.truncate(end);
                text.push('…');
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn signed_urls_lose_what_signs_them() {
        let conceal = Conceal::also(&["Ssn".into()]);
        assert_eq!(
            conceal.target("http://a.example/b?sv=1&sig=abc%3D&x=2&access_token=t&ssn=1&X-Amz-Signature=ff"),
            "http://a.example/b?sv=1&sig=(concealed)&x=2&access_token=(concealed)&ssn=(concealed)&X-Amz-Signature=(concealed)"
        );
        assert_eq!(
            conceal
                .target("http://a.example/b?api%5Fkey=1&PASS%77ORD=2&X-Goog-Signature=3&otp=4&footprint=5&jwt=6&%zz=7"),
            "http://a.example/b?api%5Fkey=(concealed)&PASS%77ORD=(concealed)&X-Goog-Signature=(concealed)&otp=(concealed)&footprint=5&jwt=(concealed)&%zz=7"
        );
        assert_eq!(conceal.target("http://a.example/token/7"), "http://a.example/token/7");
    }

    #[test]
    fn overlaps_lose_secrets_wherever_they_lie() {
        let shown = Conceal::default().overlaps(json!([
            {"pointer": "/password", "base": "a", "ours": "b", "theirs": "c"},
            {"pointer": "/user", "ours": {"name": "n", "apiToken": "t", "list": [{"clientSecret": 1}]}},
            {"pointer": "/api_key/old", "theirs": 7},
            {"pointer": "/pin", "ours": "1234"},
            {"pointer": "/code", "ours": "blue"},
        ]));
        assert_eq!(
            shown,
            json!([
                {"pointer": "/password", "base": CONCEALED, "ours": CONCEALED, "theirs": CONCEALED},
                {"pointer": "/user", "ours": {"name": "n", "apiToken": CONCEALED, "list": [{"clientSecret": CONCEALED}]}},
                {"pointer": "/api_key/old", "theirs": CONCEALED},
                {"pointer": "/pin", "ours": CONCEALED},
                {"pointer": "/code", "ours": "blue"},
            ])
        );
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let shown = Conceal::default().overlaps(json!([{"pointer": "/a", "ours": "ä".repeat(1_500)}]));
        let text = shown[0]["ours"].as_str().unwrap();
        assert!(text.len() <= LONGEST + 3 && text.ends_with("ä…"), "{}", text.len());
    }
}
