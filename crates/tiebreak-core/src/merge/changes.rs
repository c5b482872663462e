//! What differs between two documents, place by place.

use std::borrow::Cow;

use serde_json::Value;

use super::MergeRules;
use super::equal::{Path, same_option_at};
use super::keyed::{Keyed, key_of};
use crate::json::{Abreast, Pointer};

/// One step on the way to a changed place.
#[derive(Debug, Clone)]
pub(crate) enum Step<'a> {
    /// Into a member of an object.
    Member(&'a str),
    /// To the item with this identity.
    Item(&'a [String], String),
}

/// A place where `to` differs from `from`.
#[derive(Debug, Clone)]
pub(crate) struct Change<'a> {
    steps: Vec<Step<'a>>,
    /// What was there; `None`: nothing.
    pub(crate) from: Option<&'a Value>,
    /// What is there then.
    pub(crate) to: Option<&'a Value>,
}

impl Change<'_> {
    /// Where it is; an item of a keyed array is named by its identity.
    pub(crate) fn pointer(&self) -> Pointer {
        let tokens = self.steps.iter().map(|step| match step {
            Step::Member(name) => (*name).to_owned(),
            Step::Item(_, key) => key.clone(),
        });
        Pointer(tokens.collect())
    }

    /// What `document` has at this place.
    pub(crate) fn find<'d>(&self, document: &'d Value) -> Option<&'d Value> {
        self.steps.iter().try_fold(document, |value, step| match step {
            Step::Member(name) => value.as_object()?.get(*name),
            Step::Item(members, key) => {
                let items = value.as_array()?;
                items.iter().find(|item| key_of(item, members).as_ref() == Some(key))
            }
        })
    }
}

/// The places where two documents differ, as deep as merging tells places apart; without volatile ones.
pub(crate) fn changes<'a>(from: &'a Value, to: &'a Value, rules: &'a MergeRules) -> Vec<Change<'a>> {
    let mut walk = Walk {
        rules,
        path: Vec::new(),
        steps: Vec::new(),
        out: Vec::new(),
    };
    walk.node(Some(from), Some(to));
    walk.out
}

struct Walk<'a> {
    rules: &'a MergeRules,
    path: Path<'a>,
    steps: Vec<Step<'a>>,
    out: Vec<Change<'a>>,
}

impl<'a> Walk<'a> {
    fn node(&mut self, from: Option<&'a Value>, to: Option<&'a Value>) {
        if self.rules.is_volatile(&self.path) {
            return;
        }
        if let (Some(Value::Object(a)), Some(Value::Object(b))) = (from, to) {
            let (mut in_a, mut in_b) = (Abreast::of(a), Abreast::of(b));
            for (name, value) in a {
                self.inside(Cow::Borrowed(name), Step::Member(name), Some(value), in_b.get(name));
            }
            for (name, value) in b.iter().filter(|(name, _)| in_a.get(name).is_none()) {
                self.inside(Cow::Borrowed(name), Step::Member(name), None, Some(value));
            }
            return;
        }
        let rules = self.rules;
        if let Some(members) = rules.identity(&self.path)
            && let (Some(a), Some(b)) = (Keyed::read(from, members), Keyed::read(to, members))
            && !a.moved(&b)
        {
            for key in a
                .order
                .iter()
                .chain(b.order.iter().filter(|key| a.index(key).is_none()))
            {
                let at = b.index(key).or_else(|| a.index(key)).unwrap_or_default();
                self.inside(
                    Cow::Owned(at.to_string()),
                    Step::Item(members, key.clone()),
                    a.get(key),
                    b.get(key),
                );
            }
            return;
        }
        if !same_option_at(from, to, &mut self.path, self.rules) {
            self.out.push(Change {
                steps: self.steps.clone(),
                from,
                to,
            });
        }
    }

    fn inside(&mut self, token: Cow<'a, str>, step: Step<'a>, from: Option<&'a Value>, to: Option<&'a Value>) {
        self.steps.push(step);
        self.path.push(token);
        self.node(from, to);
        self.path.pop();
        self.steps.pop();
    }
}
