//! Lines of a stream, each within a bound.

use std::io::{BufRead, Result};

/// One line, without its line feed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RawLine {
    /// Its bytes.
    Whole(Vec<u8>),
    /// It has more bytes than allowed; they were skipped.
    TooLong(u64),
}

/// Reads the next line, of at most `max` bytes; `None` at the end. The last line needs no line feed.
pub(super) fn next_line(input: &mut impl BufRead, max: usize) -> Result<Option<RawLine>> {
    let mut line = Vec::new();
    let mut length = 0_u64;
    loop {
        let buffer = match input.fill_buf() {
            Ok(buffer) => buffer,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if buffer.is_empty() {
            return Ok((length > 0).then(|| finish(line, length, max)));
        }
        let end = buffer.iter().position(|b| *b == b'\n');
        let part = &buffer[..end.unwrap_or(buffer.len())];
        length += part.len() as u64;
        if length <= max as u64 {
            line.extend_from_slice(part);
        } else {
            // Nothing of it is kept: it is only counted from here on.
            line = Vec::new();
        }
        let used = part.len() + usize::from(end.is_some());
        input.consume(used);
        if end.is_some() {
            return Ok(Some(finish(line, length, max)));
        }
    }
}

fn finish(line: Vec<u8>, length: u64, max: usize) -> RawLine {
    if length > max as u64 {
        RawLine::TooLong(length)
    } else {
        RawLine::Whole(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str, max: usize, buffer: usize) -> Vec<RawLine> {
        let mut input = std::io::BufReader::with_capacity(buffer, text.as_bytes());
        std::iter::from_fn(|| next_line(&mut input, max).unwrap()).collect()
    }

    #[test]
    fn lines_come_whole_whatever_the_buffer() {
        for buffer in [1, 2, 3, 64] {
            let whole = |t: &str| RawLine::Whole(t.into());
            assert_eq!(all("ab\n\ncd", 9, buffer), [whole("ab"), whole(""), whole("cd")]);
            assert_eq!(all("ab\n", 9, buffer), [whole("ab")]);
            assert_eq!(all("", 9, buffer), []);
        }
    }

    #[test]
    fn a_line_over_the_bound_is_counted_and_the_next_one_is_read() {
        for buffer in [1, 2, 64] {
            let expected = [
                RawLine::Whole("abc".into()),
                RawLine::TooLong(4),
                RawLine::Whole("x".into()),
            ];
            assert_eq!(all("abc\nabcd\nx", 3, buffer), expected);
        }
    }
}
