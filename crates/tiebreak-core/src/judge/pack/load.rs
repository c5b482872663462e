//! Reading a pack from TOML, with errors that name line, field and what was expected.

use std::ops::Range;

use http::HeaderName;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::when::{DemandIs, Glob, Pattern, Place};
use super::{DocumentFacts, Example, Pack, Probe, ProbeHow, Rule, When};
use crate::body_version::{Absent, BodyVersion, Sent};
use crate::json;
use crate::judge::body::Pointer;
use crate::remedy::Remedy;
use crate::validator::EtagKind;
use crate::verdict::{Class, Scope};

/// Why a text is no dialect pack.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read dialect pack {pack}, line {line}, `{field}`: expected {expected}")]
pub struct PackError {
    /// The name that was given.
    pub pack: String,
    /// The line, from 1.
    pub line: usize,
    /// The field, such as `rule.class`; empty where the text is no TOML at all.
    pub field: String,
    /// What should stand there.
    pub expected: String,
}

struct Text<'t> {
    name: &'t str,
    text: &'t str,
}

type Member<'x, 'i> = (&'x str, &'x Spanned<DeValue<'i>>, String);

impl Text<'_> {
    fn error(&self, at: Range<usize>, field: &str, expected: impl Into<String>) -> PackError {
        let before = self.text.get(..at.start).unwrap_or(self.text);
        PackError {
            pack: self.name.to_owned(),
            line: before.matches('\n').count() + 1,
            field: field.to_owned(),
            expected: expected.into(),
        }
    }

    fn line(&self, at: &Range<usize>) -> usize {
        self.text.get(..at.start).unwrap_or("").matches('\n').count() + 1
    }

    /// The members of a table, each with its full field name.
    fn members<'x, 'i>(&self, value: &'x Spanned<DeValue<'i>>, field: &str) -> Result<Vec<Member<'x, 'i>>, PackError> {
        match value.get_ref() {
            DeValue::Table(table) => Ok(table
                .iter()
                .map(|(key, value)| (key.get_ref().as_ref(), value, format!("{field}.{}", key.get_ref())))
                .collect()),
            _ => Err(self.error(value.span(), field, "a table")),
        }
    }

    /// The tables of an array of tables.
    fn tables<'x, 'i>(
        &self,
        value: &'x Spanned<DeValue<'i>>,
        field: &str,
    ) -> Result<Vec<&'x Spanned<DeValue<'i>>>, PackError> {
        match value.get_ref() {
            DeValue::Array(array) => Ok(array.iter().collect()),
            _ => Err(self.error(value.span(), field, format!("one or more [[{field}]]"))),
        }
    }

    fn string(&self, value: &Spanned<DeValue<'_>>, field: &str) -> Result<String, PackError> {
        match value.get_ref() {
            DeValue::String(text) => Ok(text.clone().into_owned()),
            _ => Err(self.error(value.span(), field, "a string")),
        }
    }

    fn flag(&self, value: &Spanned<DeValue<'_>>, field: &str) -> Result<bool, PackError> {
        match value.get_ref() {
            DeValue::Boolean(flag) => Ok(*flag),
            _ => Err(self.error(value.span(), field, "true or false")),
        }
    }

    /// A string, or a list of strings.
    fn strings(&self, value: &Spanned<DeValue<'_>>, field: &str) -> Result<Vec<String>, PackError> {
        match value.get_ref() {
            DeValue::Array(array) => array.iter().map(|v| self.string(v, field)).collect(),
            _ => Ok(vec![self.string(value, field)?]),
        }
    }

    fn status(&self, value: &Spanned<DeValue<'_>>, field: &str) -> Result<Vec<u16>, PackError> {
        let one = |value: &Spanned<DeValue<'_>>| match value.get_ref() {
            DeValue::Integer(number) => number
                .as_str()
                .parse()
                .ok()
                .filter(|n| (100..600).contains(n))
                .ok_or_else(|| self.error(value.span(), field, "a status code from 100 to 599")),
            _ => Err(self.error(value.span(), field, "a status code, or a list of them")),
        };
        match value.get_ref() {
            DeValue::Array(array) => array.iter().map(one).collect(),
            _ => Ok(vec![one(value)?]),
        }
    }

    fn pattern(&self, value: &Spanned<DeValue<'_>>, field: &str) -> Result<Pattern, PackError> {
        let one = |value: &Spanned<DeValue<'_>>| match value.get_ref() {
            DeValue::String(text) => Ok(Glob::new(text)),
            DeValue::Integer(number) => Ok(Glob::new(number.as_str())),
            _ => Err(self.error(value.span(), field, "a string or an integer")),
        };
        match value.get_ref() {
            DeValue::Boolean(true) => Ok(Pattern::Exists),
            DeValue::Boolean(false) => Ok(Pattern::Missing),
            DeValue::Array(array) => Ok(Pattern::AnyOf(array.iter().map(one).collect::<Result<_, _>>()?)),
            DeValue::String(_) | DeValue::Integer(_) => Ok(Pattern::AnyOf(vec![one(value)?])),
            _ => Err(self.error(
                value.span(),
                field,
                "a string, an integer, a list of them, or true (it is there) or false (it is not)",
            )),
        }
    }

    fn pointer(&self, text: &str, at: Range<usize>, field: &str) -> Result<Pointer, PackError> {
        Pointer::parse(text).ok_or_else(|| self.error(at, field, "a place such as \"/error/code\""))
    }

    fn pointers(&self, value: &Spanned<DeValue<'_>>, field: &str) -> Result<Vec<Pointer>, PackError> {
        self.strings(value, field)?
            .iter()
            .map(|text| self.pointer(text, value.span(), field))
            .collect()
    }

    fn header(&self, text: &str, at: Range<usize>, field: &str) -> Result<HeaderName, PackError> {
        text.to_ascii_lowercase()
            .parse()
            .map_err(|_| self.error(at, field, "the name of a header field"))
    }

    fn class(&self, value: &Spanned<DeValue<'_>>, field: &str) -> Result<Class, PackError> {
        Class::from_word(&self.string(value, field)?).ok_or_else(|| {
            let words: Vec<_> = Class::ALL.iter().map(|c| c.as_str()).collect();
            self.error(value.span(), field, format!("one of {}", words.join(", ")))
        })
    }

    fn remedy(&self, value: &Spanned<DeValue<'_>>, field: &str) -> Result<Remedy, PackError> {
        match self.string(value, field)?.as_str() {
            "adopt" => Ok(Remedy::Adopt),
            "rebase" => Ok(Remedy::Rebase),
            "wait" => Ok(Remedy::Wait),
            "stop" => Ok(Remedy::Stop),
            "browser" => Ok(Remedy::HandOff),
            _ => Err(self.error(value.span(), field, "one of adopt, rebase, wait, stop, browser")),
        }
    }

    /// Reads one condition; `false` if the name is none of theirs.
    fn condition(
        &self,
        (name, value, field): (&str, &Spanned<DeValue<'_>>, &str),
        code_at: &[Place],
        when: &mut When,
    ) -> Result<bool, PackError> {
        match name {
            "status" => when.status = self.status(value, field)?,
            "method" => when.method = self.strings(value, field)?,
            "path" => when.path = self.strings(value, field)?.iter().map(|t| Glob::new(t)).collect(),
            "demand" => {
                when.demand = Some(match self.string(value, field)?.as_str() {
                    "absent" => DemandIs::Absent,
                    "version" => DemandIs::Version,
                    "nothing" => DemandIs::Nothing,
                    _ => return Err(self.error(value.span(), field, "one of absent, version, nothing")),
                });
            }
            "query" => {
                for (name, value, field) in self.members(value, field)? {
                    when.query.push((name.to_owned(), self.pattern(value, &field)?));
                }
            }
            "request" | "headers" => {
                for (header, value, field) in self.members(value, field)? {
                    let entry = (self.header(header, value.span(), &field)?, self.pattern(value, &field)?);
                    if name == "request" {
                        &mut when.request
                    } else {
                        &mut when.headers
                    }
                    .push(entry);
                }
            }
            "content" | "body" => {
                for (place, value, field) in self.members(value, field)? {
                    let entry = (self.pointer(place, value.span(), &field)?, self.pattern(value, &field)?);
                    if name == "content" {
                        &mut when.content
                    } else {
                        &mut when.body
                    }
                    .push(entry);
                }
            }
            "text" => when.text = self.strings(value, field)?.iter().map(|t| t.to_lowercase()).collect(),
            "code" => {
                if code_at.is_empty() {
                    return Err(self.error(
                        value.span(),
                        field,
                        "`code_at` at the top of the pack, to know where codes stand",
                    ));
                }
                let Pattern::AnyOf(codes) = self.pattern(value, field)? else {
                    return Err(self.error(value.span(), field, "a code, or a list of codes"));
                };
                when.code = Some(codes);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn recognise(&self, value: &Spanned<DeValue<'_>>) -> Result<When, PackError> {
        let mut when = When::default();
        for (name, value, field) in self.members(value, "recognise")? {
            if !self.condition((name, value, &field), &[], &mut when)? {
                return Err(self.error(
                    value.span(),
                    &field,
                    "one of status, method, path, demand, query, request, content, headers, body, text",
                ));
            }
        }
        if when.headers.is_empty()
            && when.body.is_empty()
            && when.path.is_empty()
            && when.text.is_empty()
            && when.request.is_empty()
        {
            return Err(self.error(
                value.span(),
                "recognise",
                "at least one of headers, body, text, path, request",
            ));
        }
        Ok(when)
    }

    fn rule(&self, value: &Spanned<DeValue<'_>>, code_at: &[Place]) -> Result<Rule, PackError> {
        let mut when = When::default();
        let (mut class, mut remedy, mut scope, mut why) = (None, None, None, None);
        let (mut existing, mut retry_after, mut proves_refusal) = (Vec::new(), Vec::new(), false);
        let mut held = false;
        for (name, value, field) in self.members(value, "rule")? {
            match name {
                "class" => class = Some(self.class(value, &field)?),
                "remedy" => remedy = Some(self.remedy(value, &field)?),
                "scope" => {
                    scope = Some(Scope::from_word(&self.string(value, &field)?).ok_or_else(|| {
                        let words: Vec<_> = Scope::ALL.iter().map(|s| s.as_str()).collect();
                        self.error(value.span(), &field, format!("one of {}", words.join(", ")))
                    })?);
                }
                "why" => why = Some(self.string(value, &field)?),
                "existing" => existing = self.pointers(value, &field)?,
                "retry_after" => retry_after = self.pointers(value, &field)?,
                "proves_refusal" => proves_refusal = self.flag(value, &field)?,
                "held" => held = self.flag(value, &field)?,
                _ => {
                    if !self.condition((name, value, &field), code_at, &mut when)? {
                        return Err(self.error(
                            value.span(),
                            &field,
                            "one of status, method, path, demand, query, request, content, headers, body, text, code; class, \
                             remedy, scope, why, existing, retry_after, proves_refusal, held",
                        ));
                    }
                }
            }
        }
        let missing = |field: &str, what: &str| self.error(value.span(), field, what);
        let class = class.ok_or_else(|| missing("rule.class", "a class"))?;
        let remedy = remedy.unwrap_or(match class {
            Class::Stale => Remedy::Rebase,
            Class::Race | Class::InProgress => Remedy::Wait,
            Class::Blocked => Remedy::HandOff,
            _ => Remedy::Stop,
        });
        let fits = match remedy {
            Remedy::Adopt => class == Class::Duplicate,
            Remedy::Rebase => class == Class::Stale,
            Remedy::HandOff => class == Class::Blocked,
            Remedy::Wait => !matches!(
                class,
                Class::KeyReuse | Class::Invalid | Class::Blocked | Class::Unclear
            ),
            Remedy::Stop => true,
        };
        if !fits {
            return Err(missing(
                "rule.remedy",
                "a remedy that fits the class: adopt only for duplicate, rebase only for stale, browser only for blocked",
            ));
        }
        if held && remedy != Remedy::Wait {
            return Err(missing("rule.held", "the remedy wait: only what is waited for is held"));
        }
        Ok(Rule {
            when,
            class,
            remedy,
            scope,
            existing,
            retry_after,
            proves_refusal,
            held,
            why: why.ok_or_else(|| missing("rule.why", "a sentence that says why"))?,
        })
    }

    fn probe(&self, value: &Spanned<DeValue<'_>>) -> Result<Probe, PackError> {
        let (mut how, mut at, mut note) = (None, None, String::new());
        for (name, value, field) in self.members(value, "probe")? {
            match name {
                "how" => {
                    let word = self.string(value, &field)?;
                    how = Some(
                        [
                            ProbeHow::ReadTarget,
                            ProbeHow::ReadMember,
                            ProbeHow::Search,
                            ProbeHow::RepeatWithKey,
                            ProbeHow::Nothing,
                        ]
                        .into_iter()
                        .find(|h| h.as_str() == word)
                        .ok_or_else(|| {
                            self.error(
                                value.span(),
                                &field,
                                "one of read-target, read-member, search, repeat-with-key, nothing",
                            )
                        })?,
                    );
                }
                "at" => at = Some(self.string(value, &field)?),
                "note" => note = self.string(value, &field)?,
                _ => return Err(self.error(value.span(), &field, "one of how, at, note")),
            }
        }
        Ok(Probe {
            how: how.ok_or_else(|| self.error(value.span(), "probe.how", "how to find out"))?,
            at,
            note,
        })
    }

    /// A place in a document that is one member.
    fn member(&self, value: &Spanned<DeValue<'_>>, field: &str) -> Result<json::Pointer, PackError> {
        json::Pointer::parse(&self.string(value, field)?)
            .ok()
            .filter(|pointer| !pointer.0.is_empty())
            .ok_or_else(|| self.error(value.span(), field, "a JSON Pointer to one member, such as \"/_rev\""))
    }

    fn document(&self, value: &Spanned<DeValue<'_>>) -> Result<DocumentFacts, PackError> {
        let mut facts = DocumentFacts::default();
        for (name, value, field) in self.members(value, "document")? {
            let places = |expected: &str| {
                self.strings(value, &field)?
                    .iter()
                    .map(|text| json::Pattern::parse(text).map_err(|_| self.error(value.span(), &field, expected)))
                    .collect::<Result<Vec<_>, _>>()
            };
            match name {
                "path" => facts.path = self.strings(value, &field)?.iter().map(|t| Glob::new(t)).collect(),
                "has" => {
                    facts.has = places("JSON Pointers, such as [\"/data/id\"]")?
                        .iter()
                        .map(|place| json::Pointer(place.tokens().to_vec()))
                        .collect();
                }
                "version" => facts.version = Some(self.member(value, &field)?),
                "maintained" => facts.maintained = places("JSON Pointers, such as [\"/updated_at\"]")?,
                _ => return Err(self.error(value.span(), &field, "one of path, has, version, maintained")),
            }
        }
        let missing = |field: &str, what: &str| Err(self.error(value.span(), field, what));
        if facts.path.is_empty() {
            return missing("document.path", "the paths where documents are, such as \"/records/*\"");
        }
        if facts.has.is_empty() {
            return missing(
                "document.has",
                "the places that all documents have, such as [\"/data/id\"]",
            );
        }
        if facts.version.is_none() && facts.maintained.is_empty() {
            return missing(
                "document",
                "`version` or `maintained`: what in a document is the server's",
            );
        }
        Ok(facts)
    }

    fn version(&self, value: &Spanned<DeValue<'_>>) -> Result<BodyVersion, PackError> {
        let place = |value: &Spanned<DeValue<'_>>, field: &str| self.member(value, field);
        let mut at = None;
        let mut version = BodyVersion::at(json::Pointer::default());
        for (name, value, field) in self.members(value, "version")? {
            let word = |expected: &str| self.error(value.span(), &field, expected);
            match name {
                "at" => at = Some(place(value, &field)?),
                "answered_at" => version.answered_at = Some(place(value, &field)?),
                "query" => version.query = Some(self.string(value, &field)?),
                "kind" => {
                    version.kind = match self.string(value, &field)?.as_str() {
                        "version" => EtagKind::Version,
                        "digest" => EtagKind::Digest,
                        "auto" => EtagKind::Auto,
                        _ => return Err(word("one of version, digest, auto")),
                    }
                }
                "absent" => {
                    version.absent = match self.string(value, &field)?.as_str() {
                        "creates" => Absent::Creates,
                        "overwrites" => Absent::Overwrites,
                        _ => return Err(word("one of creates, overwrites")),
                    }
                }
                "content" => {
                    version.content = match self.string(value, &field)?.as_str() {
                        "document" => Sent::Document,
                        "message" => Sent::Message,
                        _ => return Err(word("one of document, message")),
                    }
                }
                _ => return Err(word("one of at, answered_at, query, kind, absent, content")),
            }
        }
        version.at = at.ok_or_else(|| self.error(value.span(), "version.at", "where documents have their version"))?;
        Ok(version)
    }

    fn example(&self, value: &Spanned<DeValue<'_>>) -> Result<Example, PackError> {
        let mut example = Example {
            method: "POST".to_owned(),
            path: "/".to_owned(),
            request: Vec::new(),
            content: None,
            status: 409,
            headers: Vec::new(),
            body: String::new(),
            class: Class::Unclear,
            remedy: None,
            existing: None,
            line: self.line(&value.span()),
        };
        let mut classed = false;
        for (name, value, field) in self.members(value, "example")? {
            match name {
                "method" => example.method = self.string(value, &field)?,
                "path" => example.path = self.string(value, &field)?,
                "content" => example.content = Some(self.string(value, &field)?),
                "status" => example.status = self.status(value, &field)?.first().copied().unwrap_or(409),
                "body" => example.body = self.string(value, &field)?,
                "existing" => example.existing = Some(self.string(value, &field)?),
                "source" => drop(self.string(value, &field)?),
                "remedy" => example.remedy = Some(self.remedy(value, &field)?),
                "class" => {
                    example.class = self.class(value, &field)?;
                    classed = true;
                }
                "request" | "headers" => {
                    for (header, value, field) in self.members(value, &field)? {
                        self.header(header, value.span(), &field)?;
                        let entry = (header.to_owned(), self.string(value, &field)?);
                        if name == "request" {
                            &mut example.request
                        } else {
                            &mut example.headers
                        }
                        .push(entry);
                    }
                }
                _ => {
                    return Err(self.error(
                        value.span(),
                        &field,
                        "one of method, path, request, content, status, headers, body, class, remedy, existing, source",
                    ));
                }
            }
        }
        if classed {
            Ok(example)
        } else {
            Err(self.error(value.span(), "example.class", "the class that is right"))
        }
    }
}

/// Reads a pack.
pub(super) fn load(name: &str, text: &str) -> Result<Pack, PackError> {
    let source = Text { name, text };
    let table = DeTable::parse(text)
        .map_err(|error| source.error(error.span().unwrap_or(0..0), "", format!("TOML: {}", error.message())))?;
    let top: Vec<Member<'_, '_>> = table
        .get_ref()
        .iter()
        .map(|(key, value)| (key.get_ref().as_ref(), value, key.get_ref().clone().into_owned()))
        .collect();
    let mut pack = Pack {
        name: String::new(),
        title: String::new(),
        sources: Vec::new(),
        unconfirmed: None,
        recognise: Vec::new(),
        code_at: Vec::new(),
        rules: Vec::new(),
        probe: None,
        version: None,
        document: None,
        examples: Vec::new(),
    };
    let mut code_at = Vec::new();
    for (key, value, field) in &top {
        match *key {
            "name" => pack.name = source.string(value, field)?,
            "title" => pack.title = source.string(value, field)?,
            "source" => pack.sources = source.strings(value, field)?,
            "unconfirmed" => pack.unconfirmed = Some(source.string(value, field)?),
            "code_at" => {
                for text in source.strings(value, field)? {
                    code_at.push(match text.strip_prefix("header ") {
                        Some(header) => Place::Header(source.header(header, value.span(), field)?),
                        None => Place::Body(source.pointer(&text, value.span(), field)?),
                    });
                }
            }
            "recognise" | "rule" | "example" | "probe" | "version" | "document" => {}
            _ => {
                return Err(source.error(
                    value.span(),
                    field,
                    "one of name, title, source, unconfirmed, code_at, [[recognise]], [[rule]], [probe], [version], [document], [[example]]",
                ));
            }
        }
    }
    for (key, value, field) in &top {
        match *key {
            "recognise" => {
                for table in source.tables(value, field)? {
                    pack.recognise.push(source.recognise(table)?);
                }
            }
            "rule" => {
                for table in source.tables(value, field)? {
                    pack.rules.push(source.rule(table, &code_at)?);
                }
            }
            "example" => {
                for table in source.tables(value, field)? {
                    pack.examples.push(source.example(table)?);
                }
            }
            "probe" => pack.probe = Some(source.probe(value)?),
            "version" => pack.version = Some(source.version(value)?),
            "document" => pack.document = Some(source.document(value)?),
            _ => {}
        }
    }
    for (field, empty, expected) in [
        ("name", pack.name.is_empty(), "a short name"),
        ("title", pack.title.is_empty(), "the family in words"),
        ("source", pack.sources.is_empty(), "where the rules come from: URLs"),
        ("recognise", pack.recognise.is_empty(), "at least one [[recognise]]"),
        ("rule", pack.rules.is_empty(), "at least one [[rule]]"),
    ] {
        if empty {
            return Err(source.error(0..0, field, expected));
        }
    }
    pack.code_at = code_at;
    Ok(pack)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
name = "x"
title = "X"
source = "https://example.com"
code_at = ["/code", "header x-code"]
[[recognise]]
body = { "/code" = true }
[[rule]]
code = "EXISTS"
class = "duplicate"
why = "it exists"
"#;

    #[test]
    fn a_good_pack_loads() {
        let pack = load("x.toml", GOOD).expect("loads");
        assert_eq!((pack.name(), pack.rules()), ("x", 1));
    }

    #[test]
    fn errors_name_line_field_and_expectation() {
        for (from, to, line, field) in [
            ("class = \"duplicate\"", "class = \"dup\"", 10, "rule.class"),
            ("class = \"duplicate\"", "clas = \"duplicate\"", 10, "rule.clas"),
            (
                "body = { \"/code\" = true }",
                "body = { \"code\" = true }",
                7,
                "recognise.body.code",
            ),
            (
                "why = \"it exists\"",
                "remedy = \"rebase\"\nwhy = \"x\"",
                8,
                "rule.remedy",
            ),
            ("code = \"EXISTS\"", "held = true\ncode = \"EXISTS\"", 8, "rule.held"),
            ("title = \"X\"", "title = 7", 3, "title"),
            ("[[rule]]", "[version]\nat = \"rev\"\n[[rule]]", 9, "version.at"),
            (
                "[[rule]]",
                "[document]\npath = \"/r/*\"\nhas = \"/id\"\n[[rule]]",
                8,
                "document",
            ),
            ("name = \"x\"", "name = x", 2, ""),
        ] {
            let error = load("x.toml", &GOOD.replace(from, to)).expect_err(to);
            assert_eq!((error.line, error.field.as_str()), (line, field), "{error}");
        }
    }
}
