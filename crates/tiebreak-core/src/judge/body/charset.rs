//! Bytes to text: UTF-8, UTF-16 and what is neither.

use std::borrow::Cow;

/// Decodes `bytes`. A byte order mark decides, then validity as UTF-8, then the charset named in `content_type`.
/// What is not valid UTF-8 is read as windows-1252's printable part, ISO-8859-1: every byte is some character.
pub(super) fn decode<'a>(bytes: &'a [u8], content_type: &str) -> Cow<'a, str> {
    match bytes {
        [0xFE, 0xFF, rest @ ..] => return utf16(rest, u16::from_be_bytes),
        [0xFF, 0xFE, rest @ ..] => return utf16(rest, u16::from_le_bytes),
        _ if content_type.contains(';') && super::has(content_type, "charset=utf-16") => {
            let little = super::has(content_type, "charset=utf-16le");
            return utf16(bytes, if little { u16::from_le_bytes } else { u16::from_be_bytes });
        }
        _ => {}
    }
    let bytes = bytes.strip_prefix(&[0xEF, 0xBB, 0xBF]).unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        // Cut in the middle of a character: what stands before it is valid.
        Err(error) if error.error_len().is_none() && !super::has(content_type, "charset=iso") => bytes
            .get(..error.valid_up_to())
            .and_then(|b| std::str::from_utf8(b).ok())
            .map_or(Cow::Borrowed(""), Cow::Borrowed),
        Err(_) if super::has(content_type, "charset=utf-8") => String::from_utf8_lossy(bytes),
        Err(_) => Cow::Owned(bytes.iter().map(|b| char::from(*b)).collect()),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Cow<'_, str> {
    let units = bytes.chunks_exact(2).map(|pair| match pair {
        [a, b] => unit([*a, *b]),
        _ => 0,
    });
    Cow::Owned(
        char::decode_utf16(units)
            .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn charsets() {
        assert_eq!(decode("é".as_bytes(), "text/plain"), "é");
        assert_eq!(decode(&[0xE9], "text/plain; charset=iso-8859-1"), "é");
        assert_eq!(decode(&[0xE9, b'x'], ""), "éx");
        assert_eq!(decode(&[0xFF, 0xFE, b'a', 0], ""), "a");
        assert_eq!(decode(&[0xFE, 0xFF, 0, b'a', 0], ""), "a");
        assert_eq!(decode(&[b'a', 0xC3], ""), "a");
        assert_eq!(decode(&[0xEF, 0xBB, 0xBF, b'a'], ""), "a");
    }
}
