//! The origin's documents: what is stored, what a precondition allows, and how often each thing happened.

use std::collections::HashMap;
use std::sync::Mutex;

use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;

/// One document: its version (never reused, also not after a deletion) and its bytes.
#[derive(Clone)]
pub(crate) struct Document {
    pub(crate) version: u64,
    pub(crate) content: Bytes,
}

impl Document {
    pub(crate) fn etag(&self) -> String {
        format!("\"{}\"", self.version)
    }
}

/// What the request demands of the current state (RFC 9110 section 13.1).
#[derive(Default)]
pub(crate) struct Preconditions {
    pub(crate) if_match: Option<String>,
    pub(crate) if_none_match: Option<String>,
}

impl Preconditions {
    fn hold(&self, current: Option<&Document>) -> bool {
        let names = |list: &str| match current {
            Some(doc) => list.trim() == "*" || list.split(',').any(|tag| tag.trim() == doc.etag()),
            None => false,
        };
        self.if_match.as_deref().is_none_or(names) && !self.if_none_match.as_deref().is_some_and(names)
    }
}

/// What a write does to its document.
pub(crate) enum Change {
    Put(Bytes),
    MergePatch(Value),
    Delete,
}

/// Requests by kind since the last reset.
#[derive(Clone, Copy, Default, Serialize)]
pub(crate) struct Counts {
    pub(crate) reads: u64,
    pub(crate) writes: u64,
    /// Writes that changed something.
    pub(crate) applied: u64,
    /// Writes refused for their precondition.
    pub(crate) conflicts: u64,
    /// Applied writes that carried no precondition.
    pub(crate) unguarded: u64,
}

#[derive(Default)]
struct State {
    documents: HashMap<String, Document>,
    versions: u64,
    counts: Counts,
}

/// All documents behind one lock: check and change are one step, so no race can slip between them.
#[derive(Default)]
pub(crate) struct Store(Mutex<State>);

impl Store {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().expect("no thread panics while it holds the store")
    }

    pub(crate) fn read(&self, path: &str) -> Option<Document> {
        let mut state = self.state();
        state.counts.reads += 1;
        state.documents.get(path).cloned()
    }

    /// Applies the change if its preconditions hold; the answer is the status and, unless deleted, the new document.
    pub(crate) fn write(
        &self,
        path: &str,
        conditions: &Preconditions,
        change: Change,
    ) -> (StatusCode, Option<Document>) {
        let mut state = self.state();
        state.counts.writes += 1;
        let current = state.documents.get(path);
        if !conditions.hold(current) {
            let current = current.cloned();
            state.counts.conflicts += 1;
            return (StatusCode::PRECONDITION_FAILED, current);
        }
        let existed = current.is_some();
        let content = match (change, current) {
            (Change::Put(content), _) => Some(content),
            (Change::MergePatch(patch), Some(doc)) => match serde_json::from_slice::<Value>(&doc.content) {
                Ok(mut value) => {
                    json_patch::merge(&mut value, &patch);
                    Some(Bytes::from(value.to_string()))
                }
                Err(_) => return (StatusCode::UNPROCESSABLE_ENTITY, None),
            },
            (Change::Delete, Some(_)) => None,
            (Change::MergePatch(_) | Change::Delete, None) => return (StatusCode::NOT_FOUND, None),
        };
        state.counts.applied += 1;
        if conditions.if_match.is_none() && conditions.if_none_match.is_none() {
            state.counts.unguarded += 1;
        }
        state.versions += 1;
        let Some(content) = content else {
            state.documents.remove(path);
            return (StatusCode::NO_CONTENT, None);
        };
        let document = Document {
            version: state.versions,
            content,
        };
        state.documents.insert(path.to_owned(), document.clone());
        (
            if existed { StatusCode::OK } else { StatusCode::CREATED },
            Some(document),
        )
    }

    /// A new thing in a collection: counted, not kept. The answer is its number.
    pub(crate) fn append(&self) -> u64 {
        let mut state = self.state();
        state.counts.writes += 1;
        state.counts.applied += 1;
        state.counts.unguarded += 1;
        state.versions += 1;
        state.versions
    }

    pub(crate) fn counts(&self) -> Counts {
        self.state().counts
    }

    /// Forgets the counts, keeps the documents.
    pub(crate) fn reset(&self) {
        self.state().counts = Counts::default();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    fn if_match(tag: &str) -> Preconditions {
        Preconditions {
            if_match: Some(tag.to_owned()),
            if_none_match: None,
        }
    }

    fn put(text: &'static str) -> Change {
        Change::Put(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn a_stale_tag_changes_nothing() {
        let store = Store::default();
        let (status, first) = store.write("/d", &Preconditions::default(), put("{}"));
        assert_eq!(status, StatusCode::CREATED);
        let first = first.expect("created");
        assert_eq!(
            store.write("/d", &if_match(&first.etag()), put("[1]")).0,
            StatusCode::OK
        );
        assert_eq!(
            store.write("/d", &if_match(&first.etag()), put("[2]")).0,
            StatusCode::PRECONDITION_FAILED
        );
        assert_eq!(store.read("/d").expect("kept").content, "[1]");
        let counts = store.counts();
        assert_eq!(
            (counts.writes, counts.applied, counts.conflicts, counts.unguarded),
            (3, 2, 1, 1)
        );
    }

    #[test]
    fn none_match_creates_once() {
        let store = Store::default();
        let absent = Preconditions {
            if_match: None,
            if_none_match: Some("*".into()),
        };
        assert_eq!(store.write("/d", &absent, put("{}")).0, StatusCode::CREATED);
        assert_eq!(store.write("/d", &absent, put("{}")).0, StatusCode::PRECONDITION_FAILED);
    }

    #[test]
    fn a_merge_patch_changes_its_members_alone() {
        let store = Store::default();
        store.write("/d", &Preconditions::default(), put(r#"{"a":1,"b":2}"#));
        store.write(
            "/d",
            &Preconditions::default(),
            Change::MergePatch(json!({"b": null, "c": 3})),
        );
        assert_eq!(store.read("/d").expect("kept").content, r#"{"a":1,"c":3}"#);
    }

    #[test]
    fn of_many_racers_with_one_tag_one_wins() {
        let store = Arc::new(Store::default());
        let (_, first) = store.write("/d", &Preconditions::default(), put("{}"));
        let tag = first.expect("created").etag();
        let racers: Vec<_> = (0..8)
            .map(|_| {
                let (store, tag) = (store.clone(), tag.clone());
                std::thread::spawn(move || store.write("/d", &if_match(&tag), put("[]")).0)
            })
            .collect();
        let won = racers
            .into_iter()
            .map(|r| r.join().expect("no panic"))
            .filter(|s| *s == StatusCode::OK);
        assert_eq!(won.count(), 1);
    }
}
