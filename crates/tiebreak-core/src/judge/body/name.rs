//! Names as small numbers, so that looking for one costs a comparison of integers.

use super::{HEAD, Key, Node};

/// The hash of a member's name: letters and digits alone, in lower case, so that `errorCode`, `error_code` and
/// `error-code` are one (FNV-1a, 32 bits). A collision costs a comparison, nothing else.
pub(crate) const fn hash(name: &[u8]) -> u32 {
    let mut hash = 0x811C_9DC5_u32;
    let mut at = 0;
    while at < name.len() {
        let b = COUNTED[name[at] as usize];
        if b != 0 {
            hash = (hash ^ b as u32).wrapping_mul(0x0100_0193);
        }
        at += 1;
    }
    hash
}

/// What each byte of a name counts as; 0: it does not count.
const COUNTED: [u8; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let b = at as u8;
        table[at] = match b {
            b'_' | b'-' | b'.' | b'@' | b'$' => 0,
            _ => b.to_ascii_lowercase(),
        };
        at += 1;
    }
    table
};

/// A name together with how its value begins, as one number.
pub(crate) fn with_value(name: u32, value: &[u8]) -> Option<u32> {
    let first = u32::from(*value.first()?);
    Some((name ^ first.wrapping_mul(0x9E37_79B1)).rotate_left(7))
}

/// The hash that stands for an index or the root.
pub(crate) const NONE: u32 = 0;

/// The hashes of the names of the first [`HEAD`] nodes.
pub(crate) fn hashes(nodes: &[Node<'_>]) -> Vec<u32> {
    nodes
        .iter()
        .take(HEAD)
        .map(|node| match &node.key {
            Key::Name(name) => hash(name.as_bytes()),
            Key::Root | Key::Index(_) => NONE,
        })
        .collect()
}

/// A set of names that may say yes wrongly, never no.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Names {
    places: [u64; 16],
    bits: u64,
}

impl Names {
    fn place(hash: u32) -> (usize, u64) {
        let bit = (hash ^ (hash >> 15)) as usize & 1023;
        (bit / 64, 1 << (bit % 64))
    }

    /// A name as one of 64 bits.
    pub(crate) const fn bit(hash: u32) -> u64 {
        1 << (hash >> 26)
    }

    /// The bits of all names in the set.
    pub(crate) fn bits(&self) -> u64 {
        self.bits
    }

    /// Adds a name.
    pub(crate) fn add(&mut self, hash: u32) {
        let (word, bit) = Names::place(hash);
        self.bits |= Names::bit(hash);
        if let Some(word) = self.places.get_mut(word) {
            *word |= bit;
        }
    }

    /// Whether the name may be in the set.
    pub(crate) fn may_have(&self, hash: u32) -> bool {
        let (word, bit) = Names::place(hash);
        self.places.get(word).is_some_and(|w| w & bit != 0)
    }
}
