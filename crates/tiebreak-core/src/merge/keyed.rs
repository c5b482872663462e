//! Arrays whose items are told apart by declared members.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

/// The items of an array by identity.
pub(super) struct Keyed<'a> {
    /// The identities, in the array's order.
    pub(super) order: Vec<String>,
    items: HashMap<String, (usize, &'a Value)>,
}

impl<'a> Keyed<'a> {
    /// Reads an array. `None` if an item is no object, lacks a key member, has one that is neither text nor
    /// number, or has the identity of another item: then the array is one value as a whole.
    pub(super) fn read(value: Option<&'a Value>, members: &[String]) -> Option<Keyed<'a>> {
        let mut order = Vec::new();
        let mut items = HashMap::new();
        for (at, item) in value?.as_array()?.iter().enumerate() {
            let key = key_of(item, members)?;
            if items.insert(key.clone(), (at, item)).is_some() {
                return None;
            }
            order.push(key);
        }
        Some(Keyed { order, items })
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.items.get(key).map(|(_, item)| *item)
    }

    /// The index of the item with this identity.
    pub(super) fn index(&self, key: &str) -> Option<usize> {
        self.items.get(key).map(|(at, _)| *at)
    }

    fn has(&self, key: &str) -> bool {
        self.items.contains_key(key)
    }

    /// The identities that are in all of `others`, in this array's order.
    fn shared(&self, others: &[&Keyed<'_>]) -> Vec<&str> {
        let keys = self.order.iter().map(String::as_str);
        keys.filter(|key| others.iter().all(|other| other.has(key))).collect()
    }

    /// Whether what both hold has another order in `other`.
    pub(super) fn moved(&self, other: &Keyed<'_>) -> bool {
        self.shared(&[other]) != other.shared(&[self])
    }

    /// Whether what all three hold has another order in `a` than in `b`.
    pub(super) fn moved_apart(&self, a: &Keyed<'_>, b: &Keyed<'_>) -> bool {
        a.shared(&[self, b]) != b.shared(&[self, a])
    }

    /// All identities of `self` and `other`, in this array's order; what only `other` holds stands behind what it
    /// stands behind there, and behind what only `self` holds at that place.
    pub(super) fn weave(&self, other: &Keyed<'_>) -> Vec<String> {
        let mut behind: HashMap<Option<&str>, Vec<&str>> = HashMap::new();
        let mut anchor = None;
        for key in &other.order {
            if self.has(key) {
                anchor = Some(key.as_str());
            } else {
                behind.entry(anchor).or_default().push(key);
            }
        }
        let mut out: Vec<&str> = Vec::new();
        let mut pending = behind.remove(&None).unwrap_or_default();
        for key in &self.order {
            if other.has(key) {
                out.append(&mut pending);
                pending = behind.remove(&Some(key.as_str())).unwrap_or_default();
            }
            out.push(key);
        }
        out.append(&mut pending);
        debug_assert_eq!(out.len(), out.iter().collect::<HashSet<_>>().len());
        out.into_iter().map(str::to_owned).collect()
    }
}

/// The identity of an item: its key members, so spelled that no two different lists look alike.
pub(super) fn key_of(item: &Value, members: &[String]) -> Option<String> {
    let mut key = String::new();
    for member in members {
        match item.get(member)? {
            Value::String(text) => key.push_str(&format!("\"{}:{text}", text.len())),
            Value::Number(number) => key.push_str(&format!("#{number};")),
            _ => return None,
        }
    }
    Some(key)
}
