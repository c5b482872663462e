//! JSON Patch (RFC 6902), keeping the order of members and comparing numbers by value.

use serde::Deserialize;
use serde_json::Value;

use super::equality::same;

/// A patch document.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct Patch(Vec<Operation>);

#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
enum Operation {
    Add { path: Pointer, value: Value },
    Remove { path: Pointer },
    Replace { path: Pointer, value: Value },
    Move { from: Pointer, path: Pointer },
    Copy { from: Pointer, path: Pointer },
    Test { path: Pointer, value: Value },
}

/// A JSON Pointer (RFC 6901), unescaped.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct Pointer(Vec<String>);

/// Why an operation does not apply: `index` counts from 0, `pointer` is where it failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
    pub(crate) index: usize,
    pub(crate) pointer: String,
    pub(crate) why: Why,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// A `test` found another value.
    TestFailed,
    /// There is nothing at the pointer.
    Missing,
    /// A value would be moved into itself.
    IntoItself,
    /// The result would be larger than the bound.
    TooLarge,
}

impl Patch {
    /// Reads a patch document.
    pub(crate) fn parse(text: &[u8]) -> Result<Patch, String> {
        serde_json::from_slice(text).map_err(|e| e.to_string())
    }

    /// Applies every operation in order; on an error `target` is left half-way, so work on a copy.
    /// `bound` limits what `copy` may add, in bytes: a few of them can double a document each.
    pub(crate) fn apply(self, target: &mut Value, bound: usize) -> Result<(), Misfit> {
        let mut copied = 0;
        for (index, operation) in self.0.into_iter().enumerate() {
            let at = operation.clone_path();
            operation.apply(target, bound, &mut copied).map_err(|why| Misfit {
                index,
                pointer: at.text(),
                why,
            })?;
        }
        Ok(())
    }
}

impl Operation {
    fn clone_path(&self) -> Pointer {
        match self {
            Operation::Add { path, .. }
            | Operation::Remove { path }
            | Operation::Replace { path, .. }
            | Operation::Move { path, .. }
            | Operation::Copy { path, .. }
            | Operation::Test { path, .. } => path.clone(),
        }
    }

    fn apply(self, target: &mut Value, bound: usize, copied: &mut usize) -> Result<(), Why> {
        match self {
            Operation::Add { path, value } => add(target, &path.0, value),
            Operation::Remove { path } => remove(target, &path.0).map(drop),
            Operation::Replace { path, value } => {
                *find(target, &path.0)? = value;
                Ok(())
            }
            Operation::Move { from, path } => {
                if path.0.len() > from.0.len() && path.0.starts_with(&from.0) {
                    return Err(Why::IntoItself);
                }
                let value = remove(target, &from.0)?;
                add(target, &path.0, value)
            }
            Operation::Copy { from, path } => {
                let value = find(target, &from.0)?.clone();
                *copied += value.to_string().len();
                if *copied > bound {
                    return Err(Why::TooLarge);
                }
                add(target, &path.0, value)
            }
            Operation::Test { path, value } => {
                if same(find(target, &path.0)?, &value) {
                    Ok(())
                } else {
                    Err(Why::TestFailed)
                }
            }
        }
    }
}

fn find<'v>(target: &'v mut Value, way: &[String]) -> Result<&'v mut Value, Why> {
    way.iter().try_fold(target, |value, segment| match value {
        Value::Object(members) => members.get_mut(segment).ok_or(Why::Missing),
        Value::Array(items) => index(segment, items.len()).map(|at| &mut items[at]),
        _ => Err(Why::Missing),
    })
}

fn add(target: &mut Value, way: &[String], value: Value) -> Result<(), Why> {
    let Some((last, parents)) = way.split_last() else {
        *target = value;
        return Ok(());
    };
    match find(target, parents)? {
        Value::Object(members) => {
            members.insert(last.clone(), value);
        }
        Value::Array(items) if last == "-" => items.push(value),
        Value::Array(items) => {
            let at = index(last, items.len() + 1)?;
            items.insert(at, value);
        }
        _ => return Err(Why::Missing),
    }
    Ok(())
}

fn remove(target: &mut Value, way: &[String]) -> Result<Value, Why> {
    // Without its root there would be no document left.
    let (last, parents) = way.split_last().ok_or(Why::Missing)?;
    match find(target, parents)? {
        Value::Object(members) => members.shift_remove(last).ok_or(Why::Missing),
        Value::Array(items) => {
            let at = index(last, items.len())?;
            Ok(items.remove(at))
        }
        _ => Err(Why::Missing),
    }
}

/// An array index below `end`: digits without leading zeros (RFC 6901 §4).
fn index(segment: &str, end: usize) -> Result<usize, Why> {
    let plain = segment == "0" || (!segment.starts_with('0') && segment.bytes().all(|b| b.is_ascii_digit()));
    match segment.parse::<usize>() {
        Ok(at) if plain && at < end => Ok(at),
        _ => Err(Why::Missing),
    }
}

impl Pointer {
    fn text(&self) -> String {
        let escaped = |s: &String| format!("/{}", s.replace('~', "~0").replace('/', "~1"));
        self.0.iter().map(escaped).collect()
    }
}

impl TryFrom<String> for Pointer {
    type Error = String;

    fn try_from(text: String) -> Result<Pointer, String> {
        if text.is_empty() {
            return Ok(Pointer(Vec::new()));
        }
        let fail = || format!("`{text}` is no JSON Pointer (RFC 6901)");
        let rest = text.strip_prefix('/').ok_or_else(fail)?;
        let unescape = |segment: &str| {
            let bare = segment.replace("~0", "").replace("~1", "");
            (!bare.contains('~')).then(|| segment.replace("~1", "/").replace("~0", "~"))
        };
        rest.split('/')
            .map(unescape)
            .collect::<Option<_>>()
            .map(Pointer)
            .ok_or_else(fail)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    fn applied(target: &str, patch: &str) -> Result<String, Misfit> {
        let mut value: Value = serde_json::from_str(target).unwrap();
        Patch::parse(patch.as_bytes()).unwrap().apply(&mut value, 1000)?;
        Ok(value.to_string())
    }

    /// The examples of RFC 6902, Appendix A.
    #[test]
    fn appendix_a() {
        let table = [
            (
                r#"{"foo":"bar"}"#,
                r#"[{"op":"add","path":"/baz","value":"qux"}]"#,
                Ok(r#"{"foo":"bar","baz":"qux"}"#),
            ),
            (
                r#"{"foo":["bar","baz"]}"#,
                r#"[{"op":"add","path":"/foo/1","value":"qux"}]"#,
                Ok(r#"{"foo":["bar","qux","baz"]}"#),
            ),
            (
                r#"{"baz":"qux","foo":"bar"}"#,
                r#"[{"op":"remove","path":"/baz"}]"#,
                Ok(r#"{"foo":"bar"}"#),
            ),
            (
                r#"{"foo":["bar","qux","baz"]}"#,
                r#"[{"op":"remove","path":"/foo/1"}]"#,
                Ok(r#"{"foo":["bar","baz"]}"#),
            ),
            (
                r#"{"baz":"qux","foo":"bar"}"#,
                r#"[{"op":"replace","path":"/baz","value":"boo"}]"#,
                Ok(r#"{"baz":"boo","foo":"bar"}"#),
            ),
            (
                r#"{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}"#,
                r#"[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]"#,
                Ok(r#"{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}"#),
            ),
            (
                r#"{"foo":["all","grass","cows","eat"]}"#,
                r#"[{"op":"move","from":"/foo/1","path":"/foo/3"}]"#,
                Ok(r#"{"foo":["all","cows","eat","grass"]}"#),
            ),
            (
                r#"{"baz":"qux","foo":["a",2,"c"]}"#,
                r#"[{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2.0}]"#,
                Ok(r#"{"baz":"qux","foo":["a",2,"c"]}"#),
            ),
            (
                r#"{"baz":"qux"}"#,
                r#"[{"op":"test","path":"/baz","value":"bar"}]"#,
                Err(Why::TestFailed),
            ),
            (
                r#"{"foo":"bar"}"#,
                r#"[{"op":"add","path":"/child","value":{"grandchild":{}}}]"#,
                Ok(r#"{"foo":"bar","child":{"grandchild":{}}}"#),
            ),
            (
                r#"{"foo":"bar"}"#,
                r#"[{"op":"add","path":"/baz","value":"qux","xyz":123}]"#,
                Ok(r#"{"foo":"bar","baz":"qux"}"#),
            ),
            (
                r#"{"foo":"bar"}"#,
                r#"[{"op":"add","path":"/baz/bat","value":"qux"}]"#,
                Err(Why::Missing),
            ),
            (
                r#"{"/":9,"~1":10}"#,
                r#"[{"op":"test","path":"/~01","value":10}]"#,
                Ok(r#"{"/":9,"~1":10}"#),
            ),
            (
                r#"{"/":9,"~1":10}"#,
                r#"[{"op":"test","path":"/~01","value":"10"}]"#,
                Err(Why::TestFailed),
            ),
            (
                r#"{"foo":["bar"]}"#,
                r#"[{"op":"add","path":"/foo/-","value":["abc","def"]}]"#,
                Ok(r#"{"foo":["bar",["abc","def"]]}"#),
            ),
            (
                r#"{"a":{"b":1}}"#,
                r#"[{"op":"move","from":"/a","path":"/a/b"}]"#,
                Err(Why::IntoItself),
            ),
            (r#"{"a":[1]}"#, r#"[{"op":"remove","path":"/a/-"}]"#, Err(Why::Missing)),
            (
                r#"{"a":[1]}"#,
                r#"[{"op":"replace","path":"/a/00","value":1}]"#,
                Err(Why::Missing),
            ),
        ];
        for (target, patch, expected) in table {
            let got = applied(target, patch).map_err(|m| m.why);
            assert_eq!(got, expected.map(str::to_owned), "{target} {patch}");
        }
    }

    #[test]
    fn copies_are_bounded_and_pointers_checked() {
        let double = r#"{"op":"copy","from":"","path":"/a"}"#;
        let patch = format!("[{}]", [double; 20].join(","));
        let misfit = applied("{}", &patch).unwrap_err();
        assert_eq!(misfit.why, Why::TooLarge);
        assert!(Patch::parse(br#"[{"op":"remove","path":"a"}]"#).is_err());
        assert!(Patch::parse(br#"[{"op":"remove","path":"/~2"}]"#).is_err());
        assert!(Patch::parse(br#"[{"op":"add","path":"/a"}]"#).is_err());
    }

    fn pointers() -> impl Strategy<Value = &'static str> {
        proptest::sample::select(vec!["", "/a", "/b", "/a/0", "/a/1", "/a/-", "/b/a", "/b/c", "/a/0/c"])
    }

    proptest! {
        // A fixed seed: the same cases each time.
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        /// The json-patch crate agrees, order of members and spelling of numbers apart.
        #[test]
        fn agrees_with_the_json_patch_crate(
            ops in proptest::collection::vec((0..6usize, pointers(), pointers(), 0..3), 0..5)
        ) {
            let start: Value = serde_json::from_str(r#"{"a":[0,{"c":1},2],"b":{"a":1,"c":2}}"#).unwrap();
            let patch: Vec<Value> = ops.iter().map(|(op, path, from, value)| {
                let op = ["add", "remove", "replace", "move", "copy", "test"][*op];
                serde_json::json!({"op": op, "path": path, "from": from, "value": value})
            }).collect();
            let text = Value::Array(patch).to_string();
            let (mut ours, mut theirs) = (start.clone(), start);
            let we = Patch::parse(text.as_bytes()).unwrap().apply(&mut ours, 10_000);
            let they = json_patch::patch_unsafe(&mut theirs, &serde_json::from_str::<json_patch::Patch>(&text).unwrap());
            prop_assert_eq!(we.is_ok(), they.is_ok(), "{} {:?} {:?}", text, we, they);
            if we.is_ok() {
                prop_assert!(same(&ours, &theirs), "{} {} {}", text, ours, theirs);
            }
        }
    }
}
