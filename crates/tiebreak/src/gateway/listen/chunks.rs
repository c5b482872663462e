//! Chunked content (RFC 9112 §7.1), read strictly.

use super::framing::{Refusal, is_token};

/// Bytes that the extensions of one chunk may have.
const MAX_EXTENSION: usize = 256;

/// Bytes that the trailer section may have.
const MAX_TRAILER: usize = 16 * 1024;

/// How far chunked content has been read.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    at: At,
}

#[derive(Debug, Clone, Copy)]
enum At {
    /// In the size, of which so many digits are known.
    Size {
        size: u64,
        digits: u8,
    },
    Extension {
        size: u64,
        bytes: usize,
    },
    SizeLf {
        size: u64,
    },
    Data {
        rest: u64,
    },
    DataCr,
    DataLf,
    /// Before a line of the trailer section.
    Line {
        bytes: usize,
    },
    Name {
        bytes: usize,
    },
    Value {
        bytes: usize,
    },
    LineLf {
        bytes: usize,
    },
    LastLf,
}

impl Default for At {
    fn default() -> At {
        At::Size { size: 0, digits: 0 }
    }
}

/// What became of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// All of them belong to the content.
    Within,
    /// The content ends after so many of them.
    End(usize),
}

impl Chunks {
    pub(super) fn read(&mut self, input: &[u8]) -> Result<Step, Refusal> {
        let mut n = 0;
        while n < input.len() {
            if let At::Data { rest } = &mut self.at {
                let take = usize::try_from(*rest).unwrap_or(usize::MAX).min(input.len() - n);
                *rest -= take as u64;
                n += take;
                if *rest == 0 {
                    self.at = At::DataCr;
                }
                continue;
            }
            let byte = input[n];
            n += 1;
            if matches!((self.at, byte), (At::LastLf, b'\n')) {
                return Ok(Step::End(n));
            }
            self.at = self.at.after(byte)?;
        }
        Ok(Step::Within)
    }
}

impl At {
    fn after(self, byte: u8) -> Result<At, Refusal> {
        match (self, byte) {
            (At::Size { size, digits }, _) if byte.is_ascii_hexdigit() => {
                // Fifteen digits: no sum of sizes comes near the end of the number.
                if digits == 15 {
                    return Err(Refusal::Chunk);
                }
                let digit = (byte as char).to_digit(16).map_or(0, u64::from);
                Ok(At::Size {
                    size: size * 16 + digit,
                    digits: digits + 1,
                })
            }
            (At::Size { size, digits: 1.. }, b';') => Ok(At::Extension { size, bytes: 0 }),
            (At::Size { size, digits: 1.. } | At::Extension { size, .. }, b'\r') => Ok(At::SizeLf { size }),
            (At::Extension { size, bytes }, b'\t' | b' '..=b'~' | 0x80..) if bytes < MAX_EXTENSION => {
                Ok(At::Extension { size, bytes: bytes + 1 })
            }
            (At::SizeLf { size: 0 }, b'\n') => Ok(At::Line { bytes: 0 }),
            (At::SizeLf { size }, b'\n') => Ok(At::Data { rest: size }),
            (At::DataCr, b'\r') => Ok(At::DataLf),
            (At::DataLf, b'\n') => Ok(At::default()),
            (At::Line { .. }, b'\r') => Ok(At::LastLf),
            (At::Line { bytes } | At::Name { bytes }, _) if is_token(byte) && bytes < MAX_TRAILER => {
                Ok(At::Name { bytes: bytes + 1 })
            }
            (At::Name { bytes }, b':') => Ok(At::Value { bytes }),
            (At::Value { bytes }, b'\r') => Ok(At::LineLf { bytes }),
            (At::Value { bytes }, b'\t' | b' '..=b'~' | 0x80..) if bytes < MAX_TRAILER => {
                Ok(At::Value { bytes: bytes + 1 })
            }
            (At::LineLf { bytes }, b'\n') => Ok(At::Line { bytes }),
            (
                At::Size { .. } | At::Extension { .. } | At::SizeLf { .. } | At::Data { .. } | At::DataCr | At::DataLf,
                _,
            ) => Err(Refusal::Chunk),
            (At::Line { .. } | At::Name { .. } | At::Value { .. } | At::LineLf { .. } | At::LastLf, _) => {
                Err(Refusal::Trailer)
            }
        }
    }
}
