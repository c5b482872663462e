//! Laws that hold for all documents.

use bytes::Bytes;
use http::Method;
use proptest::prelude::*;
use serde_json::{Map, Value};
use tiebreak_core::json::{JsonPatch, canonical, merge_patch, parse_strict, same_value};
use tiebreak_core::merge::{
    Edit, Holds, MergeFailure, MergeRules, Merged, NotMergeable, Representation, holds, rebase, same,
};
use tiebreak_core::policy::OnOverlap;

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        (0..4u8).prop_map(|n| n.to_string()),
        Just("1.0".to_owned()),
        Just("10e-1".to_owned()),
        Just("9007199254740993".to_owned()),
        Just("9007199254740992".to_owned()),
    ]
}

fn parse(text: &str) -> Value {
    parse_strict(text.as_bytes(), 128).expect("JSON")
}

/// Small documents over few names and values, so that edits often meet.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        number().prop_map(|text| parse(&text)),
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        "[ab]{0,1}".prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
            3 => members(inner).prop_map(Value::Object),
        ]
    })
}

fn members(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::vec(("[a-e]", inner), 0..5).prop_map(|members| members.into_iter().collect())
}

fn document() -> impl Strategy<Value = Value> {
    members(value()).prop_map(Value::Object)
}

/// A document and something derived from it by a few edits.
fn derived(base: &Value) -> impl Strategy<Value = Value> + use<> {
    let base = base.clone();
    prop::collection::vec((prop::collection::vec("[a-e]", 1..3), prop::option::of(value())), 0..4).prop_map(
        move |edits| {
            let mut out = base.clone();
            for (path, value) in edits {
                set(&mut out, &path, value);
            }
            out
        },
    )
}

fn set(document: &mut Value, path: &[String], value: Option<Value>) {
    let (Some((first, rest)), Value::Object(members)) = (path.split_first(), document) else {
        return;
    };
    match (rest.is_empty(), value) {
        (true, Some(value)) => drop(members.insert(first.clone(), value)),
        (true, None) => drop(members.shift_remove(first)),
        (false, value) => {
            if let Some(inner) = members.get_mut(first) {
                set(inner, rest, value);
            }
        }
    }
}

fn triple() -> impl Strategy<Value = (Value, Value, Value)> {
    document().prop_flat_map(|base| (Just(base.clone()), derived(&base), derived(&base)))
}

fn rep(value: &Value) -> Representation {
    Representation::new(JSON, value.to_string())
}

fn put(value: &Value) -> Edit {
    Edit::Whole(rep(value))
}

fn merge(base: &Value, ours: &Value, theirs: &Value, rules: &MergeRules) -> Result<Merged, MergeFailure> {
    rebase(&put(ours), &rep(base), &rep(theirs), rules)
}

fn merged(base: &Value, ours: &Value, theirs: &Value) -> Result<Value, MergeFailure> {
    merge(base, ours, theirs, &MergeRules::default()).map(|merged| parse(&String::from_utf8_lossy(&merged.content)))
}

/// What three-way merging means, said once more as plainly as possible: for each path of member names, who
/// changed it? `Err` is an overlap.
fn model(b: Option<&Value>, o: Option<&Value>, t: Option<&Value>) -> Result<Option<Value>, ()> {
    let eq = |x: Option<&Value>, y: Option<&Value>| x.map(canonical) == y.map(canonical);
    if eq(o, t) || eq(b, o) {
        return Ok(t.cloned());
    }
    if eq(b, t) {
        return Ok(o.cloned());
    }
    let (Some(Value::Object(b)), Some(Value::Object(o)), Some(Value::Object(t))) = (b, o, t) else {
        return Err(());
    };
    let mut out = Map::new();
    for name in ["a", "b", "c", "d", "e"] {
        if let Some(value) = model(b.get(name), o.get(name), t.get(name))? {
            out.insert(name.to_owned(), value);
        }
    }
    Ok(Some(Value::Object(out)))
}

/// The smallest merge patch that says the same as `to` to someone who read `from`, if there is one: it cannot set
/// anything to null, nor ask for exactly this new object (only for one that has these members).
fn diff(from: &Value, to: &Value) -> Option<Value> {
    let (Value::Object(a), Value::Object(b)) = (from, to) else {
        return (!to.is_object()).then(|| to.clone());
    };
    let mut out = Map::new();
    for (name, value) in b {
        match a.get(name) {
            Some(old) if same_value(old, value) => {}
            Some(_) if value.is_null() => return None,
            Some(old) => drop(out.insert(name.clone(), diff(old, value)?)),
            None if value.is_object() || value.is_null() => return None,
            None => drop(out.insert(name.clone(), value.clone())),
        }
    }
    for name in a.keys().filter(|name| !b.contains_key(*name)) {
        out.insert(name.clone(), Value::Null);
    }
    Some(Value::Object(out))
}

fn spelled_numbers(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Number(number) => out.push(number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| spelled_numbers(item, out)),
        Value::Object(members) => members.values().for_each(|member| spelled_numbers(member, out)),
        _ => {}
    }
}

fn form() -> impl Strategy<Value = String> {
    prop::collection::vec(
        (
            "[a-d]",
            prop_oneof!["[xy]{0,1}", Just("%41".to_owned()), Just("+".to_owned())],
        ),
        0..6,
    )
    .prop_map(|pairs| {
        let pairs: Vec<String> = pairs
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("&")
    })
}

fn form_edit(content: &str) -> Edit {
    Edit::Whole(Representation::new(FORM, content.to_owned()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nobody_else_wrote((base, ours, _) in triple()) {
        let outcome = merge(&base, &ours, &base, &MergeRules::default()).expect("no overlap");
        prop_assert_eq!(outcome.content, ours.to_string());
        prop_assert_eq!(outcome.changed, !same_value(&ours, &base));
    }

    #[test]
    fn we_changed_nothing((base, _, theirs) in triple()) {
        let outcome = merge(&base, &base, &theirs, &MergeRules::default()).expect("no overlap");
        prop_assert!(!outcome.changed);
        prop_assert!(same_value(&parse(&String::from_utf8_lossy(&outcome.content)), &theirs));
    }

    #[test]
    fn equal_edits_agree((base, ours, _) in triple()) {
        let outcome = merge(&base, &ours, &ours, &MergeRules::default()).expect("no overlap");
        prop_assert!(!outcome.changed);
    }

    #[test]
    fn it_is_what_the_plain_model_says((base, ours, theirs) in triple()) {
        match (merged(&base, &ours, &theirs), model(Some(&base), Some(&ours), Some(&theirs))) {
            (Ok(found), Ok(Some(expected))) => prop_assert_eq!(canonical(&found), canonical(&expected)),
            (Err(MergeFailure::Overlap(overlaps)), Err(())) => {
                prop_assert!(!overlaps.is_empty());
                for overlap in overlaps {
                    let at = |document: &Value| overlap.pointer.get(document).cloned();
                    prop_assert_eq!(at(&base), overlap.base.clone());
                    prop_assert_eq!(at(&ours), overlap.ours.clone());
                    prop_assert_eq!(at(&theirs), overlap.theirs.clone());
                    prop_assert!(overlap.ours.as_ref().map(canonical) != overlap.theirs.as_ref().map(canonical));
                }
            }
            (found, expected) => prop_assert!(false, "{found:?} {expected:?}"),
        }
    }

    #[test]
    fn sides_are_interchangeable((base, ours, theirs) in triple()) {
        match (merged(&base, &ours, &theirs), merged(&base, &theirs, &ours)) {
            (Ok(one), Ok(other)) => prop_assert!(same_value(&one, &other)),
            (Err(MergeFailure::Overlap(one)), Err(MergeFailure::Overlap(other))) => {
                let places = |overlaps: Vec<tiebreak_core::merge::Overlap>| {
                    let mut places: Vec<String> = overlaps.iter().map(|o| o.pointer.to_string()).collect();
                    places.sort();
                    places
                };
                prop_assert_eq!(places(one), places(other));
            }
            (one, other) => prop_assert!(false, "{one:?} {other:?}"),
        }
    }

    #[test]
    fn settling_by_rule_changes_only_the_overlaps((base, ours, theirs) in triple()) {
        let refused = merge(&base, &ours, &theirs, &MergeRules::default());
        for (rule, ours_wins) in [(OnOverlap::Ours, true), (OnOverlap::Theirs, false)] {
            let settled = merge(&base, &ours, &theirs, &MergeRules::default().with_overlap(rule)).expect("settled");
            match &refused {
                Ok(merged) => prop_assert_eq!(&settled, merged),
                Err(MergeFailure::Overlap(overlaps)) => {
                    prop_assert_eq!(&settled.settled, overlaps);
                    let result = parse(&String::from_utf8_lossy(&settled.content));
                    for overlap in overlaps {
                        let winner = if ours_wins { &overlap.ours } else { &overlap.theirs };
                        prop_assert_eq!(overlap.pointer.get(&result).map(canonical), winner.as_ref().map(canonical));
                    }
                }
                Err(other) => prop_assert!(false, "{other:?}"),
            }
        }
    }

    #[test]
    fn numbers_keep_a_spelling_that_somebody_wrote((base, ours, theirs) in triple()) {
        if let Ok(result) = merged(&base, &ours, &theirs) {
            let (mut found, mut known) = (Vec::new(), Vec::new());
            spelled_numbers(&result, &mut found);
            spelled_numbers(&ours, &mut known);
            spelled_numbers(&theirs, &mut known);
            prop_assert!(found.iter().all(|number| known.contains(number)));
        }
    }

    #[test]
    fn members_keep_their_order((base, ours, theirs) in triple()) {
        let Ok(Value::Object(result)) = merged(&base, &ours, &theirs) else { return Ok(()) };
        let names = |document: &Value| document.as_object().into_iter().flatten().map(|(n, _)| n.clone()).collect::<Vec<_>>();
        let found: Vec<String> = result.keys().cloned().collect();
        let theirs_first: Vec<String> = names(&theirs).into_iter().filter(|n| result.contains_key(n))
            .chain(names(&ours).into_iter().filter(|n| theirs.get(n).is_none() && result.contains_key(n))).collect();
        let all_ours = Value::Object(result) == ours && found == names(&ours);
        prop_assert!(found == theirs_first || all_ours, "{found:?} {theirs_first:?}");
    }

    #[test]
    fn a_merge_patch_does_what_the_whole_document_does((base, ours, theirs) in triple()) {
        let Some(patch) = diff(&base, &ours) else { return Ok(()) };
        prop_assert!(same_value(&merge_patch(Some(base.clone()), &patch), &ours));
        let content = Bytes::from(patch.to_string());
        let edit = Edit::read(&Method::PATCH, "application/merge-patch+json", None, &content);
        let by_patch = rebase(&edit, &rep(&base), &rep(&theirs), &MergeRules::default());
        match (merged(&base, &ours, &theirs), by_patch) {
            (Ok(whole), Ok(patched)) => {
                prop_assert_eq!(patched.content, content);
                prop_assert_eq!(canonical(&merge_patch(Some(theirs), &patch)), canonical(&whole));
            }
            (Err(MergeFailure::Overlap(_)), Err(MergeFailure::Overlap(_))) => {}
            (whole, patched) => prop_assert!(false, "{whole:?} {patched:?}"),
        }
    }

    #[test]
    fn a_json_patch_does_what_the_whole_document_does((base, ours, theirs) in triple()) {
        let (Value::Object(from), Value::Object(to)) = (&base, &ours) else { unreachable!("documents are objects") };
        let mut operations = Vec::new();
        for (name, value) in to {
            match from.get(name) {
                Some(old) if same_value(old, value) => {}
                Some(_) => operations.push(serde_json::json!({"op": "replace", "path": format!("/{name}"), "value": value})),
                None => operations.push(serde_json::json!({"op": "add", "path": format!("/{name}"), "value": value})),
            }
        }
        for name in from.keys().filter(|name| !to.contains_key(*name)) {
            operations.push(serde_json::json!({"op": "remove", "path": format!("/{name}")}));
        }
        let edit = Edit::read(&Method::PATCH, "application/json-patch+json", None, &Bytes::from(Value::Array(operations).to_string()));
        if let Ok(patched) = rebase(&edit, &rep(&base), &rep(&theirs), &MergeRules::default()) {
            // It replaces members as a whole, so it overlaps more often; what it does is the same.
            let patch = JsonPatch::read(&parse(&String::from_utf8_lossy(&patched.content))).expect("a patch");
            let whole = merged(&base, &ours, &theirs).expect("no overlap either");
            prop_assert_eq!(canonical(&patch.apply(&theirs).expect("applies")), canonical(&whole));
        }
    }

    #[test]
    fn forms_obey_the_same_laws(base in form(), ours in form(), theirs in form()) {
        let rules = MergeRules::default();
        let rep = |content: &str| Representation::new(FORM, content.to_owned());
        let alone = rebase(&form_edit(&ours), &rep(&base), &rep(&base), &rules).expect("no overlap");
        prop_assert!(same(&rep(&ours), &Representation::new(FORM, alone.content), &rules).is_ok());
        let none = rebase(&form_edit(&base), &rep(&base), &rep(&theirs), &rules).expect("no overlap");
        prop_assert!(!none.changed);
        prop_assert_eq!(none.content, theirs.clone());
        let agree = rebase(&form_edit(&ours), &rep(&base), &rep(&ours), &rules).expect("no overlap");
        prop_assert!(!agree.changed);
        if let Ok(merged) = rebase(&form_edit(&ours), &rep(&base), &rep(&theirs), &rules) {
            let merged = Representation::new(FORM, merged.content);
            let field = |of: &Representation, name: &str| of.document().expect("a form").value().get(name).cloned();
            for name in ["a", "b", "c", "d"] {
                let (b, o, t, m) = (field(&rep(&base), name), field(&rep(&ours), name), field(&rep(&theirs), name), field(&merged, name));
                let kept = if o == b { m == t } else { m == o && (t == b || t == o) };
                prop_assert!(kept, "{}", name);
            }
        }
    }

    #[test]
    fn what_was_merged_is_seen_as_applied((base, ours, theirs) in triple()) {
        let rules = MergeRules::default();
        prop_assert_ne!(holds(&put(&ours), Some(&rep(&base)), &rep(&ours), &rules), Holds::No);
        if !same_value(&base, &ours) {
            let seen = holds(&put(&ours), Some(&rep(&base)), &rep(&base), &rules);
            prop_assert_ne!(seen, Holds::NewlyYes, "nothing was applied");
        }
        if let Some(patch) = diff(&base, &ours) {
            let edit = Edit::read(&Method::PATCH, "application/merge-patch+json", None, &Bytes::from(patch.to_string()));
            let after = merge_patch(Some(theirs.clone()), &patch);
            let expected = if same_value(&after, &theirs) { Holds::AlreadyBefore } else { Holds::NewlyYes };
            // Arrays of objects may gain members without being changed by the patch; that is tolerated before as well.
            let seen = holds(&edit, Some(&rep(&theirs)), &rep(&after), &rules);
            prop_assert!(seen == expected || seen == Holds::AlreadyBefore, "{seen:?} {expected:?}");
            prop_assert_ne!(holds(&edit, Some(&rep(&theirs)), &rep(&theirs), &rules), Holds::NewlyYes);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        a in prop::collection::vec(any::<u8>(), 0..64),
        b in prop::collection::vec(any::<u8>(), 0..64),
        c in "[\\[\\]{}:,\"a0-9.eE+\\\\u -]{0,40}",
        kind in 0..5usize,
    ) {
        let content_type = [JSON, FORM, "text/plain", "application/merge-patch+json", "application/json-patch+json"][kind];
        let rules = MergeRules::default();
        for (x, y, z) in [(&a[..], &b[..], c.as_bytes()), (c.as_bytes(), &a, &b), (&b, c.as_bytes(), &a)] {
            let stored = if kind < 3 { content_type } else { JSON };
            let (x, y) = (Representation::new(stored, x.to_vec()), Representation::new(stored, y.to_vec()));
            for method in [Method::PUT, Method::PATCH] {
                let edit = Edit::read(&method, content_type, None, &Bytes::copy_from_slice(z));
                let _ = rebase(&edit, &x, &y, &rules);
                let _ = holds(&edit, Some(&x), &y, &rules);
            }
            let _ = same(&x, &y, &rules);
        }
    }

    #[test]
    fn strict_reading_agrees_with_serde_json_on_what_is_json(text in "[\\[\\]{}:,\"ab0-9.eE+\\\\un -]{0,24}") {
        let strict = parse_strict(text.as_bytes(), 128);
        match (serde_json::from_str::<Value>(&text), &strict) {
            (Ok(loose), Ok(strict)) => prop_assert!(same_value(&loose, strict)),
            (Ok(_), Err(error)) => prop_assert!(error.to_string().contains("twice"), "{error}"),
            (Err(_), found) => prop_assert!(found.is_err(), "{text}"),
        }
    }

    #[test]
    fn patches_of_arbitrary_operations_never_panic(
        document in document(),
        other in document(),
        operations in prop::collection::vec((0..6usize, "(/[a-e0-1-]){0,3}", "(/[a-e0-1-]){0,3}", value()), 0..5),
    ) {
        let names = ["add", "remove", "replace", "move", "copy", "test"];
        let operations: Vec<Value> = operations.into_iter().map(|(op, path, from, value)| {
            serde_json::json!({"op": names[op], "path": path, "from": from, "value": value})
        }).collect();
        let edit = Edit::read(&Method::PATCH, "application/json-patch+json", None, &Bytes::from(Value::Array(operations.clone()).to_string()));
        let outcome = rebase(&edit, &rep(&document), &rep(&other), &MergeRules::default());
        let patch = JsonPatch::read(&Value::Array(operations)).expect("a patch");
        if patch.apply(&document).is_err() {
            prop_assert!(matches!(outcome, Err(MergeFailure::NotMergeable(NotMergeable::DoesNotApply(_)))));
        } else if let Ok(merged) = outcome {
            let sent = JsonPatch::read(&parse(&String::from_utf8_lossy(&merged.content))).expect("a patch");
            prop_assert_eq!(sent.apply(&other).is_ok_and(|after| !same_value(&after, &other)), merged.changed);
        }
    }
}
