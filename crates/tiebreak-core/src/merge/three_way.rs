//! The three-way merge of JSON values.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::equal::{Path, same_option_at};
use super::keyed::Keyed;
use super::{MergeRules, Overlap};
use crate::json::{Abreast, Pointer, same_option};
use crate::policy::OnOverlap;

/// Merges; the overlaps are those that were met, whether or not the rules settle them.
///
/// Recursion is as deep as the documents, which are at most [`crate::json::MAX_DEPTH`] deep.
pub(super) fn merge(base: &Value, ours: &Value, theirs: &Value, rules: &MergeRules) -> (Option<Value>, Vec<Overlap>) {
    let mut merge = Merge {
        rules,
        path: Vec::new(),
        overlaps: Vec::new(),
        settled: Vec::new(),
    };
    let merged = merge.node(Some(base), Some(ours), Some(theirs));
    (merged, merge.overlaps)
}

type Maybe<'a> = Option<&'a Value>;

struct Merge<'a, 'r> {
    rules: &'r MergeRules,
    path: Path<'a>,
    overlaps: Vec<Overlap>,
    /// Places of sets that were changed on both sides: their overlaps are recorded, and one side is taken for all.
    settled: Vec<Path<'a>>,
}

impl<'a> Merge<'a, '_> {
    fn node(&mut self, b: Maybe<'a>, o: Maybe<'a>, t: Maybe<'a>) -> Option<Value> {
        if self.settled.contains(&self.path) {
            return self.side(o, t).cloned();
        }
        if self.rules.is_volatile(&self.path) {
            return self.volatile(b, o, t).cloned();
        }
        if let (Some(Value::Object(b)), Some(Value::Object(o)), Some(Value::Object(t))) = (b, o, t) {
            return Some(Value::Object(self.object(b, o, t)));
        }
        let rules = self.rules;
        if let Some(members) = rules.identity(&self.path)
            && let (Some(b_items), Some(o_items), Some(t_items)) = (
                Keyed::read(b, members),
                Keyed::read(o, members),
                Keyed::read(t, members),
            )
        {
            let whole = (b, o, t);
            return Some(Value::Array(self.array(whole, &b_items, &o_items, &t_items)));
        }
        self.leaf(b, o, t)
    }

    /// A value that is taken from one side as a whole.
    fn leaf(&mut self, b: Maybe<'a>, o: Maybe<'a>, t: Maybe<'a>) -> Option<Value> {
        let depth = self.path.len();
        if self
            .settled
            .iter()
            .any(|path| path.len() > depth && path.starts_with(&self.path))
        {
            return self.side(o, t).cloned();
        }
        if self.same(o, t) {
            // Equal as data. Whoever respelled it is followed.
            return if b == t { o } else { t }.cloned();
        }
        if self.same(b, t) {
            return o.cloned();
        }
        if self.same(b, o) {
            return t.cloned();
        }
        self.overlap(Vec::new(), b, o, t);
        self.side(o, t).cloned()
    }

    fn object(
        &mut self,
        b: &'a Map<String, Value>,
        o: &'a Map<String, Value>,
        t: &'a Map<String, Value>,
    ) -> Map<String, Value> {
        self.sets(b, o, t);
        let mut out = Map::with_capacity(t.len());
        let (mut in_b, mut in_o, mut in_t) = (Abreast::of(b), Abreast::of(o), Abreast::of(t));
        let theirs = t.iter().map(|(name, value)| (name, Some(value)));
        let ours_alone = o
            .keys()
            .filter(|name| in_t.get(name).is_none())
            .map(|name| (name, None));
        for (name, t) in theirs.chain(ours_alone) {
            let values = (in_b.get(name), in_o.get(name), t);
            if let Some(value) = self.inside(Cow::Borrowed(name), values) {
                out.insert(name.clone(), value);
            }
        }
        out
    }

    fn array(
        &mut self,
        whole: (Maybe<'a>, Maybe<'a>, Maybe<'a>),
        b: &Keyed<'a>,
        o: &Keyed<'a>,
        t: &Keyed<'a>,
    ) -> Vec<Value> {
        let (ours_moved, theirs_moved) = (b.moved(o), b.moved(t));
        let clash = ours_moved && theirs_moved && b.moved_apart(o, t);
        if clash {
            self.overlap(Vec::new(), whole.0, whole.1, whole.2);
        }
        let by_ours = if clash {
            self.rules.on_overlap == OnOverlap::Ours
        } else {
            ours_moved && !theirs_moved
        };
        let order = if by_ours { o.weave(t) } else { t.weave(o) };
        let mut out = Vec::new();
        for key in &order {
            let at = o.index(key).or_else(|| t.index(key)).unwrap_or_default();
            let values = (b.get(key), o.get(key), t.get(key));
            out.extend(self.inside(Cow::Owned(at.to_string()), values));
        }
        out
    }

    fn inside(&mut self, token: Cow<'a, str>, (b, o, t): (Maybe<'a>, Maybe<'a>, Maybe<'a>)) -> Option<Value> {
        self.path.push(token);
        let out = self.node(b, o, t);
        self.path.pop();
        out
    }

    /// What the server maintains: what still has its old value here, gets the new one.
    fn volatile(&mut self, b: Maybe<'a>, o: Maybe<'a>, t: Maybe<'a>) -> Maybe<'a> {
        match o {
            None => None,
            Some(_) if same_option(b, o) => t,
            Some(_) if same_option(b, t) => o,
            Some(_) => t.or(o),
        }
    }

    /// Finds the sets that stand in this object and were changed on both sides.
    fn sets(&mut self, b: &'a Map<String, Value>, o: &'a Map<String, Value>, t: &'a Map<String, Value>) {
        let rules = self.rules;
        for set in &rules.together {
            if !set.at.matches(&self.path) {
                continue;
            }
            let values: Vec<_> = set
                .members
                .iter()
                .map(|member| (member, get(b, member), get(o, member), get(t, member)))
                .collect();
            let ours = values.iter().any(|(_, b, o, _)| !same_option(*b, *o));
            let theirs = values.iter().any(|(_, b, _, t)| !same_option(*b, *t));
            let agree = values.iter().all(|(_, _, o, t)| same_option(*o, *t));
            if !ours || !theirs || agree {
                continue;
            }
            for (member, b, o, t) in values {
                if !same_option(b, o) || !same_option(b, t) {
                    self.overlap(member.clone(), b, o, t);
                }
                let below = member.iter().map(|token| Cow::Owned(token.clone()));
                let place = self.path.iter().cloned().chain(below).collect();
                self.settled.push(place);
            }
        }
    }

    fn overlap(&mut self, below: Vec<String>, b: Maybe<'a>, o: Maybe<'a>, t: Maybe<'a>) {
        let here = self.path.iter().map(|token| token.clone().into_owned());
        self.overlaps.push(Overlap {
            pointer: Pointer(here.chain(below).collect()),
            base: b.cloned(),
            ours: o.cloned(),
            theirs: t.cloned(),
        });
    }

    fn side(&self, o: Maybe<'a>, t: Maybe<'a>) -> Maybe<'a> {
        match self.rules.on_overlap {
            OnOverlap::Ours => o,
            // When overlaps are refused, what is merged here is thrown away.
            OnOverlap::Theirs | OnOverlap::Refuse => t,
        }
    }

    fn same(&mut self, a: Maybe<'a>, b: Maybe<'a>) -> bool {
        same_option_at(a, b, &mut self.path, self.rules)
    }
}

fn get<'a>(members: &'a Map<String, Value>, tokens: &[String]) -> Maybe<'a> {
    let (first, rest) = tokens.split_first()?;
    rest.iter()
        .try_fold(members.get(first)?, |value, token| value.as_object()?.get(token))
}
