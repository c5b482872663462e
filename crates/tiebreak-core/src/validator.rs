//! Validators (RFC 9110 §8.8).

use std::fmt;

use bytes::Bytes;

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

impl EtagKind {
    /// Whether `tag`, on a representation with this content, may be taken for a version that never recurs.
    ///
    /// Where nobody said (`Auto`), only a strong tag that has the form of a version is: a number (`17`, `v17`), a UUID, a
    /// point in time (`0x8DC…`) or a revision (`3-967a…`). Anything else may be a digest, and nobody knows every
    /// digest function; a size and a time of whole seconds come back, too.
    #[must_use]
    pub fn is_version(self, tag: &EntityTag, content: Option<&Bytes>) -> bool {
        match self {
            EtagKind::Version => true,
            EtagKind::Digest => false,
            EtagKind::Auto => !tag.weak && counts(&tag.opaque) && !content.is_some_and(|c| is_checksum(&tag.opaque, c)),
        }
    }
}

/// Whether an opaque tag has the form of a version.
fn counts(opaque: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.len() <= 20 && text.bytes().all(|b| b.is_ascii_digit());
    let hexadecimal = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit());
    if digits(opaque.trim_start_matches(['v', 'V', 'r'])) || is_uuid(opaque) {
        return true;
    }
    if let Some(time) = opaque.strip_prefix("0x") {
        return hexadecimal(time); // the form of Azure Storage, a point in time
    }
    // The form of CouchDB: how many revisions, and a digest. A length or a time of whole seconds before a digest is no version.
    opaque
        .split_once('-')
        .is_some_and(|(count, digest)| digits(count) && digest.len() == 32 && hexadecimal(digest))
}

/// The form of RFC 9562.
fn is_uuid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

/// Whether a decimal tag is the CRC-32 of the content, the only common checksum that is written so.
fn is_checksum(opaque: &str, content: &[u8]) -> bool {
    // Shorter numbers count; only one checksum in a hundred has fewer than eight digits.
    opaque.len() >= 8 && opaque.parse::<u32>().is_ok_and(|n| n == crc32(content))
}

/// CRC-32 as in IEEE 802.3, bit by bit: rarely computed, and only over bounded content.
fn crc32(content: &[u8]) -> u32 {
    let mut crc = !0u32;
    for byte in content {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
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
    fn a_tag_that_counts_is_a_version_and_a_bare_digest_is_not() {
        let is_version = |o: &str, c: &'static str| {
            EtagKind::Auto.is_version(&EntityTag::strong(o), Some(&Bytes::from_static(c.as_bytes())))
        };
        for version in [
            "17",
            "v17",
            "1795337100971",
            "0x8DC2F6A1B2C3D4E",
            "3-967a00dff5e02add41819138abb3284d",
            "8e03978e-40d5-43dd-bc93-6894a57f9324",
        ] {
            assert!(is_version(version, "x"), "{version}");
        }
        for digest in [
            "967a00dff5e02add41819138abb3284d",
            "rL0Y20zC+Fzt72VPzMSk2A==",
            "abc",
            "",
            "3421780262",
            "12-2ef7bde608ce5404e97d5f042f95f89f1c232871",
            "65f1c2d3-264",
            "2ef7bde608ce5404e97d5f042f95f89f-2",
        ] {
            assert!(!is_version(digest, "123456789"), "{digest}");
        }
        assert!(!EtagKind::Auto.is_version(&EntityTag::weak("17"), None));
        assert!(EtagKind::Version.is_version(&EntityTag::strong("abc"), None));
        assert!(!EtagKind::Digest.is_version(&EntityTag::strong("17"), None));
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
