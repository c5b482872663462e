//! An answer beside its request, read once, as every layer sees it.

use std::cell::OnceCell;

use http::{HeaderMap, HeaderName, header};

use crate::judge::Asked;
use crate::judge::body::name::{NONE, Names, hash, hashes, with_value};
use crate::judge::body::{Form, HEAD, MAX_CONTENT, Node, Tree, clip};
use crate::judge::request::Demand;

/// How much of the text is searched for the phrases of packs.
const LOWER: usize = 16 * 1024;

/// What the layers look at.
pub(crate) struct View<'v, 'a> {
    pub(crate) asked: &'v Asked<'v>,
    pub(crate) demand: Demand,
    /// The path of the target, without its query.
    pub(crate) path: &'v str,
    /// The query, empty where there is none.
    pub(crate) query: &'v str,
    pub(crate) status: u16,
    pub(crate) fields: &'v HeaderMap,
    pub(crate) form: Form,
    /// The answer's whole text, decoded.
    pub(crate) text: &'v str,
    pub(crate) tree: Tree<'v, 'a>,
    lower: OnceCell<String>,
    server: OnceCell<Option<&'v str>>,
    content_type: OnceCell<Option<&'v str>>,
    sent: OnceCell<(Vec<Node<'v>>, Vec<u32>)>,
    /// The names of the answer's first members and of its fields.
    pub(crate) names: Names,
    /// The names of its first members with how their values begin; `None` where names are missing.
    pub(crate) values: Option<Names>,
}

impl<'v, 'a> View<'v, 'a> {
    pub(crate) fn new(
        asked: &'v Asked<'v>,
        demand: Demand,
        status: u16,
        fields: &'v HeaderMap,
        form: Form,
        text: &'v str,
        tree: Tree<'v, 'a>,
    ) -> View<'v, 'a> {
        let mut names = Names::default();
        let mut values = Names::default();
        for (name, node) in tree.names.iter().zip(tree.nodes) {
            names.add(*name);
            if *name != NONE
                && let Some(value) = node.value.scalar().and_then(|text| with_value(*name, text.as_bytes()))
            {
                values.add(value);
            }
        }
        fields.keys().for_each(|name| names.add(hash(name.as_str().as_bytes())));
        let (path, query) = asked.path.split_once('?').unwrap_or((asked.path, ""));
        View {
            asked,
            demand,
            path,
            query,
            status,
            fields,
            form,
            text,
            tree,
            lower: OnceCell::new(),
            server: OnceCell::new(),
            content_type: OnceCell::new(),
            sent: OnceCell::new(),
            names,
            values: (tree.names.len() >= tree.nodes.len().min(HEAD)).then_some(values),
        }
    }

    /// The first value of response field `name`.
    pub(crate) fn field(&self, name: &str) -> Option<&'v str> {
        // To look a name up costs more than to see that it is not there.
        if !self.names.may_have(hash(name.as_bytes())) {
            return None;
        }
        self.fields.get(name).and_then(|v| v.to_str().ok())
    }

    /// The first value of a response field that packs ask for; two of them are asked for again and again.
    pub(crate) fn value(&self, name: &HeaderName) -> Option<&'v str> {
        let read = || self.fields.get(name).and_then(|v| v.to_str().ok());
        match *name {
            header::SERVER => *self.server.get_or_init(read),
            header::CONTENT_TYPE => *self.content_type.get_or_init(read),
            _ => read(),
        }
    }

    /// The beginning of the text in lower case; of an item of a bulk answer, its own strings.
    pub(crate) fn lower(&self) -> &str {
        self.lower.get_or_init(|| {
            if !self.text.is_empty() {
                return clip(self.text, LOWER).to_lowercase();
            }
            let mut lower = String::new();
            for text in self.tree.nodes.iter().filter_map(|n| n.value.scalar()) {
                if lower.len() > LOWER {
                    break;
                }
                lower.push_str(&clip(text, LOWER).to_lowercase());
                lower.push('\n');
            }
            lower
        })
    }

    /// The content of the request, where it is at hand and JSON.
    pub(crate) fn sent(&self) -> Tree<'_, 'v> {
        let (nodes, names) = self.sent.get_or_init(|| {
            let text = self
                .asked
                .content
                .and_then(|c| std::str::from_utf8(c).ok())
                .unwrap_or("");
            let nodes = crate::judge::body::read(text.get(..MAX_CONTENT).unwrap_or(text), "").1;
            let names = hashes(&nodes);
            (nodes, names)
        });
        Tree::whole(nodes, names)
    }
}
