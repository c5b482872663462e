//! Validators (RFC 9110 §8.8).

use std::fmt;

/// An entity tag (RFC 9110 §8.8.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntityTag {
    weak: bool,
    opaque: String,
}

/// Why a field value is no entity tag.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("read `{0}` as an entity tag; write it in double quotes, like \"v7\" or W/\"v7\"")]
pub struct EntityTagError(pub String);

impl EntityTag {
    /// A strong tag with this opaque value (without quotes).
    #[must_use]
    pub fn strong(opaque: impl Into<String>) -> EntityTag {
        EntityTag {
            weak: false,
            opaque: opaque.into(),
        }
    }

    /// A weak tag with this opaque value (without quotes).
    #[must_use]
    pub fn weak(opaque: impl Into<String>) -> EntityTag {
        EntityTag {
            weak: true,
            opaque: opaque.into(),
        }
    }

    /// Parses one entity tag: `entity-tag = [ weak ] opaque-tag` (RFC 9110 §8.8.3).
    ///
    /// # Errors
    /// If it is not exactly one tag.
    pub fn parse(text: &str) -> Result<EntityTag, EntityTagError> {
        let fail = || EntityTagError(text.to_owned());
        let trimmed = text.trim_matches([' ', '\t']);
        let (weak, quoted) = match trimmed.strip_prefix("W/") {
            Some(rest) => (true, rest),
            None => (false, trimmed),
        };
        let opaque = quoted
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .ok_or_else(fail)?;
        if opaque.chars().all(is_etagc) {
            Ok(EntityTag {
                weak,
                opaque: opaque.to_owned(),
            })
        } else {
            Err(fail())
        }
    }

    /// Whether the tag is weak.
    #[must_use]
    pub fn is_weak(&self) -> bool {
        self.weak
    }

    /// The opaque value, without quotes.
    #[must_use]
    pub fn opaque(&self) -> &str {
        &self.opaque
    }

    /// Strong comparison: equal, and neither is weak (RFC 9110 §8.8.3.2). For `If-Match`.
    #[must_use]
    pub fn strong_eq(&self, other: &EntityTag) -> bool {
        !self.weak && !other.weak && self.opaque == other.opaque
    }

    /// Weak comparison: the opaque values are equal (RFC 9110 §8.8.3.2). For `If-None-Match`.
    #[must_use]
    pub fn weak_eq(&self, other: &EntityTag) -> bool {
        self.opaque == other.opaque
    }
}

/// `etagc = %x21 / %x23-7E / obs-text` (RFC 9110 §8.8.3).
fn is_etagc(c: char) -> bool {
    c == '!' || ('#'..='~').contains(&c) || !c.is_ascii()
}

impl fmt::Display for EntityTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\"{}\"", if self.weak { "W/" } else { "" }, self.opaque)
    }
}

/// What an origin's entity tags are worth (the route setting `etag`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum EtagKind {
    /// Each change gets a tag that was never used before: a precondition on it may justify a second send.
    Version,
    /// The tag is a digest of the content, so it comes back when the content does (A→B→A): it never
    /// justifies a second send.
    Digest,
    /// Unknown: a version unless the tag was seen to recur, or equals a digest of the content.
    #[default]
    Auto,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparison_table_of_rfc_9110_section_8_8_3_2() {
        let (w1, w2, s1) = (EntityTag::weak("1"), EntityTag::weak("2"), EntityTag::strong("1"));
        assert!(!w1.strong_eq(&w1) && w1.weak_eq(&w1));
        assert!(!w1.strong_eq(&w2) && !w1.weak_eq(&w2));
        assert!(!w1.strong_eq(&s1) && w1.weak_eq(&s1));
        assert!(s1.strong_eq(&s1) && s1.weak_eq(&s1));
    }

    #[test]
    fn only_well_formed_tags_parse() {
        assert_eq!(EntityTag::parse("\"xyzzy\""), Ok(EntityTag::strong("xyzzy")));
        assert_eq!(EntityTag::parse(" W/\"\" "), Ok(EntityTag::weak("")));
        for bad in ["xyzzy", "\"", "w/\"a\"", "\"a\" \"b\"", "\"a\", \"b\"", "\"a\"b\"", ""] {
            assert!(EntityTag::parse(bad).is_err(), "{bad}");
        }
    }
}
