//! Packs with an index that says quickly which of them an answer may belong to.

use std::cell::OnceCell;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use super::when::{self, Glob};
use super::{Pack, When};
use crate::judge::body::clip;
use crate::judge::body::name::Names;
use crate::judge::view::View;

/// Packs in the order in which they are asked.
#[derive(Debug, Clone)]
pub(crate) struct PackSet {
    pub(crate) packs: Vec<Pack>,
    clauses: Vec<Clause>,
    /// The phrases by which packs are recognised.
    phrases: Option<AhoCorasick>,
}

/// One way to recognise a pack.
#[derive(Debug, Clone)]
struct Clause {
    pack: usize,
    which: usize,
    /// The names that the answer must have, and the same as few bits, which settle most cases.
    needs: Vec<u32>,
    bits: u64,
    /// Members of which it must have one, each with how its value begins; empty: any will do.
    values: Vec<u32>,
    /// The segments that the path must have, as bits, one way or another; empty: any will do.
    paths: Vec<u64>,
    /// The fields that the request must have, as bits.
    request: u64,
    /// The statuses that it may have, as bits.
    statuses: u64,
    /// Whether it needs one of its phrases.
    speaks: bool,
}

/// A status as one of 64 bits.
fn status_bit(status: u16) -> u64 {
    1 << (status % 64)
}

impl PackSet {
    /// Indexes `packs`.
    pub(crate) fn new(packs: Vec<Pack>) -> PackSet {
        let mut clauses = Vec::new();
        let mut phrases: Vec<&str> = Vec::new();
        for (pack, family) in packs.iter().enumerate() {
            for (which, when) in family.recognise.iter().enumerate() {
                phrases.extend(when.text.iter().map(String::as_str));
                let needs: Vec<u32> = when.needs().collect();
                clauses.push(Clause {
                    pack,
                    which,
                    bits: needs.iter().fold(0, |bits, need| bits | Names::bit(*need)),
                    request: when.needs_of_request().fold(0, |bits, need| bits | Names::bit(need)),
                    statuses: match when.status.as_slice() {
                        [] => u64::MAX,
                        these => these.iter().fold(0, |bits, status| bits | status_bit(*status)),
                    },
                    needs,
                    paths: when.path.iter().map(Glob::segments).collect(),
                    values: when.needs_one_of(),
                    speaks: !when.text.is_empty(),
                });
            }
        }
        let phrases = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .kind(Some(AhoCorasickKind::DFA))
            .build(&phrases)
            .ok();
        PackSet {
            packs,
            clauses,
            phrases,
        }
    }

    /// The packs that recognise an answer, in order.
    pub(crate) fn recognising<'p>(&'p self, view: &'p View<'_, '_>) -> impl Iterator<Item = &'p Pack> {
        // An item of a bulk answer has no text of its own.
        let spoken = OnceCell::new();
        let speaks = move || {
            *spoken.get_or_init(|| {
                let found = |phrases: &AhoCorasick| phrases.is_match(clip(view.text, 16 * 1024).as_ref());
                view.text.is_empty() || self.phrases.as_ref().is_none_or(found)
            })
        };
        let (have, asked, status) = (view.names.bits(), view.demand.fields, status_bit(view.status));
        let segments = when::segments(view.path);
        let mut last = usize::MAX;
        self.clauses.iter().filter_map(move |clause| {
            // One comparison for most of them.
            let missing = (clause.bits & !have) | (clause.request & !asked) | (status & !clause.statuses);
            if missing != 0 || clause.pack == last || !clause.needs.iter().all(|need| view.names.may_have(*need)) {
                return None;
            }
            if let Some(values) = view.values.as_ref().filter(|_| !clause.values.is_empty())
                && !clause.values.iter().any(|value| values.may_have(*value))
            {
                return None;
            }
            if !clause.paths.is_empty() && clause.paths.iter().all(|path| path & !segments != 0) {
                return None;
            }
            let pack = self.packs.get(clause.pack)?;
            let when: &When = pack.recognise.get(clause.which)?;
            when.holds(view, &[])?;
            if clause.speaks && !(speaks() && when.speaks(view)) {
                return None;
            }
            last = clause.pack;
            Some(pack)
        })
    }
}
