//! Names as small numbers, so that looking for one costs a comparison of integers.

use super::{HEAD, Key, Node};

/// The hash of a member's name: letters and digits alone, in lower case, so that `errorCode`, `error_code` and
/// `error-code` are one (FNV-1a, 32 bits). A collision costs a comparison, nothing else.
pub(crate) const fn hash(name: &[u8]) -> u32 {
    let mut hash = 0x811C_9DC5_u32;
    let mut at = 0;
    while at < name.len() {
        let b = name[at];
        if !matches!(b, b'_' | b'-' | b'.' | b'@' | b'$') {
            hash = (hash ^ b.to_ascii_lowercase() as u32).wrapping_mul(0x0100_0193);
        }
        at += 1;
    }
    hash
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
    pub(crate) fn bit(hash: u32) -> u64 {
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
