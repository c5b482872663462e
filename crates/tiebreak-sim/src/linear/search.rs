//! Wing and Gong's search for an order, which never looks twice at the same set of calls with the same document (Lowe).

use std::collections::HashSet;

use super::document::Document;
use super::history::Call;

/// There is no order: the longest that was found, as places in the history, with the document after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// The calls in that order.
    pub order: Vec<usize>,
    /// The document after them.
    pub document: Document,
}

/// Finds an order of `calls` that explains what all callers saw, beginning with `document`.
///
/// # Errors
/// If there is none.
pub fn explain(document: Document, calls: &[Call]) -> Result<Vec<usize>, Stuck> {
    let mut search = Search {
        calls,
        seen: HashSet::new(),
        longest: Stuck {
            order: Vec::new(),
            document: document.clone(),
        },
    };
    let mut order = Vec::new();
    match search.go_on(&document, &mut vec![false; calls.len()], &mut order) {
        true => Ok(order),
        false => Err(search.longest),
    }
}

struct Search<'a> {
    calls: &'a [Call],
    seen: HashSet<(Vec<bool>, Document)>,
    longest: Stuck,
}

impl Search<'_> {
    fn go_on(&mut self, document: &Document, done: &mut Vec<bool>, order: &mut Vec<usize>) -> bool {
        let calls = self.calls;
        let open = |done: &[bool], at: usize| !done[at] && calls[at].end.is_some();
        // Nothing that begins after this can come before what ends then.
        let ends = (0..calls.len()).filter(|at| open(done, *at));
        let ends = ends.filter_map(|at| calls[at].end.as_ref().map(|(end, _)| *end));
        let Some(first_end) = ends.min() else {
            // What is left may never take effect.
            return true;
        };
        if !self.seen.insert((done.clone(), document.clone())) {
            return false;
        }
        if order.len() > self.longest.order.len() {
            (self.longest.order, self.longest.document) = (order.clone(), document.clone());
        }
        for (at, call) in calls.iter().enumerate() {
            if done[at] || call.begin > first_end {
                continue;
            }
            let mut next = document.clone();
            let fits = match &call.end {
                Some((_, saw)) => next.admits(&call.op, saw),
                // If it changes nothing it may as well not be there.
                None => {
                    next.perform(&call.op);
                    next != *document
                }
            };
            if !fits {
                continue;
            }
            done[at] = true;
            order.push(at);
            if self.go_on(&next, done, order) {
                return true;
            }
            order.pop();
            done[at] = false;
        }
        false
    }
}
