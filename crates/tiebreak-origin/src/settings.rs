//! The settings of a collection: as users write them, and compiled for use.

use jsonschema::{PatternOptions, Validator};
use serde_json::{Map, Value};
use tiebreak_core::fingerprint::Digest;
use tiebreak_core::json::{canonical, join};

/// The most violations of a schema that are reported at once.
const MAX_ERRORS: usize = 50;

/// The longest message about one of them, in characters.
const MAX_MESSAGE: usize = 300;

/// The status of a failed `If-Match` or `If-Unmodified-Since` on a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StaleStatus {
    /// 409 Conflict.
    #[default]
    Conflict,
    /// 412 Precondition Failed, RFC 9110's usual code.
    PreconditionFailed,
}

impl StaleStatus {
    /// The number.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            StaleStatus::Conflict => 409,
            StaleStatus::PreconditionFailed => 412,
        }
    }
}

/// The settings of one collection, the same as in the JSON document at `/_collections/{name}`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CollectionSettings {
    /// Lists of JSON Pointers whose values, taken together, no two documents may share. A document in
    /// which one of them is absent or null is not constrained.
    pub unique: Vec<Vec<String>>,
    /// A JSON Schema for every document written from now on; any draft, without remote references.
    pub schema: Option<Value>,
    /// Overrides [`OriginOptions::require_preconditions`](crate::OriginOptions::require_preconditions).
    pub require_preconditions: Option<bool>,
    /// Overrides [`OriginOptions::stale_status`](crate::OriginOptions::stale_status).
    pub stale_status: Option<StaleStatus>,
}

/// One thing wrong with a document or with settings: a JSON Pointer to it, and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) pointer: String,
    pub(crate) detail: String,
}

impl Violation {
    pub(crate) fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Violation {
        Violation {
            pointer: pointer.into(),
            detail: detail.into(),
        }
    }
}

impl CollectionSettings {
    /// Reads the document at `/_collections/{name}`.
    pub(crate) fn read(document: &Value) -> Result<CollectionSettings, Violation> {
        let Value::Object(members) = document else {
            return Err(Violation::new("", "settings are an object"));
        };
        let mut settings = CollectionSettings::default();
        for (name, value) in members {
            match (name.as_str(), value) {
                ("unique", Value::Array(rules)) => {
                    let rules = rules.iter().enumerate().map(|(at, rule)| unique_rule(at, rule));
                    settings.unique = rules.collect::<Result<_, _>>()?;
                }
                ("unique", _) => return Err(Violation::new("/unique", "a list of JSON Pointers is expected")),
                ("schema", Value::Null) => {}
                ("schema", schema) => settings.schema = Some(schema.clone()),
                ("require_preconditions", Value::Bool(yes)) => settings.require_preconditions = Some(*yes),
                ("require_preconditions", _) => {
                    return Err(Violation::new("/require_preconditions", "true or false is expected"));
                }
                ("stale_status", value) if *value == 409 => settings.stale_status = Some(StaleStatus::Conflict),
                ("stale_status", value) if *value == 412 => {
                    settings.stale_status = Some(StaleStatus::PreconditionFailed);
                }
                ("stale_status", _) => return Err(Violation::new("/stale_status", "409 or 412 is expected")),
                (other, _) => {
                    let detail = "there is no such setting; there are unique, schema, require_preconditions and \
                                  stale_status";
                    return Err(Violation::new(join([other]), detail));
                }
            }
        }
        Ok(settings)
    }

    /// The document at `/_collections/{name}` that says the same.
    pub(crate) fn to_json(&self) -> Value {
        let mut members = Map::new();
        if !self.unique.is_empty() {
            members.insert("unique".into(), self.unique.clone().into());
        }
        if let Some(schema) = &self.schema {
            members.insert("schema".into(), schema.clone());
        }
        if let Some(yes) = self.require_preconditions {
            members.insert("require_preconditions".into(), yes.into());
        }
        if let Some(status) = self.stale_status {
            members.insert("stale_status".into(), status.code().into());
        }
        Value::Object(members)
    }
}

fn unique_rule(at: usize, rule: &Value) -> Result<Vec<String>, Violation> {
    let pointers: Option<Vec<String>> = match rule {
        Value::String(one) => Some(vec![one.clone()]),
        Value::Array(several) => several.iter().map(|p| p.as_str().map(str::to_owned)).collect(),
        _ => None,
    };
    let valid = |pointer: &String| pointer.starts_with('/');
    match pointers {
        Some(pointers) if !pointers.is_empty() && pointers.iter().all(valid) => Ok(pointers),
        _ => Err(Violation::new(
            format!("/unique/{at}"),
            "a JSON Pointer like \"/email\", or a list of them, is expected",
        )),
    }
}

/// Settings, compiled.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) unique: Vec<Vec<String>>,
    schema: Option<Validator>,
    pub(crate) require_preconditions: bool,
    pub(crate) stale_status: StaleStatus,
}

/// The digest of the values that a document has under a unique rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UniqueValue {
    /// Which rule, in [`Rules::unique`].
    pub(crate) rule: usize,
    pub(crate) digest: Digest,
}

impl Rules {
    /// The rules of a collection without settings.
    pub(crate) fn bare(require_preconditions: bool, stale_status: StaleStatus) -> Rules {
        Rules {
            unique: Vec::new(),
            schema: None,
            require_preconditions,
            stale_status,
        }
    }

    /// Compiles `settings`; what they leave open is taken from the arguments.
    pub(crate) fn compile(
        settings: &CollectionSettings,
        require_preconditions: bool,
        stale_status: StaleStatus,
    ) -> Result<Rules, Violation> {
        let schema = match &settings.schema {
            None => None,
            Some(schema) => {
                // The linear-time engine: a pattern must not be able to stall the writer.
                let options = jsonschema::options().with_pattern_options(PatternOptions::regex());
                let compiled = options.build(schema).map_err(|e| {
                    let pointer = format!("/schema{}", e.instance_path().as_str());
                    Violation::new(pointer, short(&e.to_string()))
                });
                Some(compiled?)
            }
        };
        Ok(Rules {
            unique: settings.unique.clone(),
            schema,
            require_preconditions: settings.require_preconditions.unwrap_or(require_preconditions),
            stale_status: settings.stale_status.unwrap_or(stale_status),
        })
    }

    /// Whether documents must be read to apply these rules.
    pub(crate) fn look_inside(&self) -> bool {
        self.schema.is_some() || !self.unique.is_empty()
    }

    /// What is wrong with `document` by the schema; empty if nothing is.
    pub(crate) fn violations(&self, document: &Value) -> Vec<Violation> {
        let Some(schema) = &self.schema else {
            return Vec::new();
        };
        if schema.is_valid(document) {
            return Vec::new();
        }
        let told =
            |e: jsonschema::ValidationError<'_>| Violation::new(e.instance_path().as_str(), short(&e.to_string()));
        schema.iter_errors(document).take(MAX_ERRORS).map(told).collect()
    }

    /// What `document` holds under each unique rule that applies to it.
    pub(crate) fn unique_values(&self, document: &Value) -> Vec<UniqueValue> {
        let held = self.unique.iter().enumerate().filter_map(|(rule, pointers)| {
            let mut parts = vec![pointers.join("\n")];
            for pointer in pointers {
                let value = document.pointer(pointer).filter(|v| !v.is_null())?;
                parts.push(canonical(value));
            }
            let parts: Vec<&[u8]> = parts.iter().map(String::as_bytes).collect();
            let digest = Digest::of(&parts);
            Some(UniqueValue { rule, digest })
        });
        held.collect()
    }
}

fn short(message: &str) -> String {
    match message.char_indices().nth(MAX_MESSAGE) {
        Some((at, _)) => format!("{}…", &message[..at]),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_are_read_strictly() {
        let good = json!({"unique": ["/email", ["/a", "/b"]], "schema": true, "require_preconditions": true, "stale_status": 412});
        let settings = CollectionSettings::read(&good).unwrap();
        assert_eq!(
            settings.unique,
            [vec!["/email".to_owned()], vec!["/a".into(), "/b".into()]]
        );
        assert_eq!(CollectionSettings::read(&settings.to_json()).unwrap(), settings);
        let table = [
            (json!([]), ""),
            (json!({"unique": "/a"}), "/unique"),
            (json!({"unique": ["/a", "b"]}), "/unique/1"),
            (json!({"unique": [[]]}), "/unique/0"),
            (json!({"stale_status": 410}), "/stale_status"),
            (json!({"require_preconditions": 1}), "/require_preconditions"),
            (json!({"uniqe": []}), "/uniqe"),
        ];
        for (document, pointer) in table {
            assert_eq!(
                CollectionSettings::read(&document).unwrap_err().pointer,
                pointer,
                "{document}"
            );
        }
    }

    fn rules(settings: Value) -> Result<Rules, Violation> {
        Rules::compile(
            &CollectionSettings::read(&settings).unwrap(),
            false,
            StaleStatus::Conflict,
        )
    }

    #[test]
    fn bad_schemas_are_named() {
        assert_eq!(
            rules(json!({"schema": {"type": "nonsense"}})).unwrap_err().pointer,
            "/schema/type"
        );
        assert!(rules(json!({"schema": {"$ref": "http://127.0.0.1:1/x"}})).is_err());
        // Backtracking constructs are not available in the linear engine.
        assert!(rules(json!({"schema": {"pattern": "(a)\\1"}})).is_err());
    }

    #[test]
    fn violations_have_pointers() {
        let rules = rules(json!({"schema": {"required": ["a"], "properties": {"n": {"maximum": 3}}}})).unwrap();
        let found = rules.violations(&json!({"n": 4}));
        let mut pointers: Vec<_> = found.iter().map(|v| v.pointer.as_str()).collect();
        pointers.sort_unstable();
        assert_eq!(pointers, ["", "/n"]);
        assert!(rules.violations(&json!({"n": 3, "a": 1})).is_empty());
    }

    #[test]
    fn unique_values_are_compared_by_value_and_together() {
        let rules = rules(json!({"unique": ["/n", ["/a", "/b"]]})).unwrap();
        let of = |text: &str| rules.unique_values(&serde_json::from_str(text).unwrap());
        assert_eq!(of(r#"{"n":1}"#), of(r#"{"n":1.0}"#));
        assert_ne!(of(r#"{"n":1}"#), of(r#"{"n":"1"}"#));
        assert_ne!(of(r#"{"a":"x","b":"yz"}"#), of(r#"{"a":"xy","b":"z"}"#));
        assert!(of(r#"{"a":"x","b":null}"#).is_empty());
        assert_eq!(of(r#"{"n":1,"a":1,"b":1}"#).len(), 2);
    }
}
