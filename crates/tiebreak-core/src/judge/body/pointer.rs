//! Places in a body: JSON Pointers with `*` for any member.

use super::name::{NONE, hash};
use super::{HEAD, Key, Tree};

/// A compiled place such as `/error/code` or `/errors/*/reason`; `` (empty) is the root.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Pointer {
    steps: Vec<String>,
    /// The hash of the last step, [`NONE`] if it is no name.
    last: u32,
}

impl Pointer {
    /// Compiles `text`.
    pub(crate) fn parse(text: &str) -> Option<Pointer> {
        let steps: Vec<String> = match text {
            "" => Vec::new(),
            _ => text
                .strip_prefix('/')?
                .split('/')
                .map(|s| s.replace("~1", "/").replace("~0", "~"))
                .collect(),
        };
        let last = steps
            .last()
            .filter(|s| *s != "*" && s.parse::<u32>().is_err())
            .map_or(NONE, |s| hash(s.as_bytes()));
        Some(Pointer { steps, last })
    }

    /// The hashes of the names on the way: a body without one of them has nothing there.
    pub(crate) fn names_on_the_way(&self) -> impl Iterator<Item = u32> + '_ {
        self.steps
            .iter()
            .filter(|s| *s != "*" && s.parse::<u32>().is_err())
            .map(|s| hash(s.as_bytes()))
    }

    /// The hash of the last step, if that is a name.
    pub(crate) fn last_name(&self) -> Option<u32> {
        (self.last != NONE).then_some(self.last)
    }

    /// The positions in `tree` that this place names, in order. Looks at the first [`HEAD`] nodes only.
    pub(crate) fn find<'p>(&'p self, tree: Tree<'p, '_>) -> impl Iterator<Item = usize> + 'p {
        let all = tree.nodes.len().min(HEAD);
        let names = tree.names.get(..all).unwrap_or(tree.names);
        names
            .iter()
            .enumerate()
            .filter(|(_, name)| self.last == NONE || **name == self.last)
            .map(|(at, _)| at)
            .chain(names.len()..all)
            .filter(move |at| self.names(tree, *at))
    }

    fn names(&self, tree: Tree<'_, '_>, at: usize) -> bool {
        let mut at = at;
        for wanted in self.steps.iter().rev() {
            if at == 0 {
                return false;
            }
            let Some(node) = tree.nodes.get(at) else { return false };
            let same = match &node.key {
                Key::Root => false,
                Key::Name(name) => wanted == "*" || name == wanted,
                Key::Index(index) => wanted == "*" || wanted.parse() == Ok(*index),
            };
            if !same {
                return false;
            }
            at = tree.parent(at);
        }
        at == 0
    }
}
