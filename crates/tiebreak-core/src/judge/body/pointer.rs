//! Places in a body: JSON Pointers with `*` for any member.

use super::{HEAD, Key, Tree};

/// A compiled place such as `/error/code` or `/errors/*/reason`; `` (empty) is the root.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Pointer(Vec<String>);

impl Pointer {
    /// Compiles `text`.
    pub(crate) fn parse(text: &str) -> Option<Pointer> {
        if text.is_empty() {
            return Some(Pointer(Vec::new()));
        }
        let rest = text.strip_prefix('/')?;
        Some(Pointer(
            rest.split('/')
                .map(|s| s.replace("~1", "/").replace("~0", "~"))
                .collect(),
        ))
    }

    /// The name that the place ends with, unless it is `*` or the root.
    pub(crate) fn last_name(&self) -> Option<&str> {
        self.0.last().map(String::as_str).filter(|s| *s != "*")
    }

    /// The positions in `tree` that this place names, in order. Looks at the first [`HEAD`] nodes only.
    pub(crate) fn find<'p>(&'p self, tree: Tree<'p, '_>) -> impl Iterator<Item = usize> + 'p {
        (0..tree.nodes.len().min(HEAD)).filter(move |at| self.names(tree, *at))
    }

    fn names(&self, tree: Tree<'_, '_>, at: usize) -> bool {
        let mut at = at;
        for wanted in self.0.iter().rev() {
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
