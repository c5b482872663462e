//! By what an origin tells versions and resources apart: versions in the content, and natural keys.

use tiebreak_core::body_version::{Absent, BodyVersion, Sent};
use tiebreak_core::json::Pointer;
use tiebreak_core::judge::Judge;
use tiebreak_core::natural_key::{NaturalKey, Template};
use tiebreak_core::validator::EtagKind;

use super::fault::{Wrong, each};
use super::node::{Member, Node, Value};
use super::reading::{nearest, one_of, show_list, show_text, show_word};
use super::route::{ETAG, RouteSettings};

const ABSENT: [(&str, Absent); 2] = [("creates", Absent::Creates), ("overwrites", Absent::Overwrites)];
const SENT: [(&str, Sent); 2] = [("document", Sent::Document), ("message", Sent::Message)];

/// A JSON Pointer to a member.
fn member(node: &Node) -> Result<Pointer, Wrong> {
    place(node).and_then(|pointer| {
        let named = !pointer.0.is_empty();
        named
            .then_some(pointer)
            .ok_or_else(|| Wrong::expected("a place such as \"/version\"", node))
    })
}

fn place(node: &Node) -> Result<Pointer, Wrong> {
    let text = node.text()?;
    Pointer::parse(text)
        .map_err(|_| {
            Wrong::new(format!("{text:?} is no JSON Pointer")).with("begin it with / and write ~1 for / and ~0 for ~")
        })
        .map_err(|wrong| wrong.at(node))
}

fn unknown(member: &Member, names: &[&str]) -> Wrong {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    let mut wrong = Wrong::new(format!(
        "there is no `{}` here; expected {}",
        member.name,
        one_of(&quoted)
    ));
    wrong.at = Some(member.at.clone());
    match nearest(&member.name, names.iter().copied()) {
        Some(name) => wrong.with(format!("did you mean `{name}`?")),
        None => wrong,
    }
}

/// `version`: the name of a dialect, a place, or all there is to say.
pub(super) fn read_version(r: &mut RouteSettings, node: &Node) -> Result<(), Wrong> {
    let version = match &node.value {
        Value::Text(text) if text.starts_with('/') => BodyVersion::at(member(node)?),
        Value::Text(name) => of_dialect(name)?,
        _ => {
            let mut version = None;
            let mut said = BodyVersion::at(Pointer::default());
            each(
                node.table("{ at = \"/version\", absent = \"overwrites\" }")?,
                |setting| {
                    let node = &setting.node;
                    match setting.name.as_str() {
                        "at" => version = Some(member(node)?),
                        "answered_at" => said.answered_at = Some(member(node)?),
                        "query" => said.query = Some(node.text()?.to_owned()),
                        "kind" => said.kind = node.word(&ETAG).map_err(|wrong| wrong.at(node))?,
                        "absent" => said.absent = node.word(&ABSENT).map_err(|wrong| wrong.at(node))?,
                        "content" => said.content = node.word(&SENT).map_err(|wrong| wrong.at(node))?,
                        _ => {
                            let names = ["at", "answered_at", "query", "kind", "absent", "content"];
                            return Err(unknown(setting, &names));
                        }
                    }
                    Ok(())
                },
            )?;
            said.at = version.ok_or_else(|| {
                Wrong::new("it does not say where documents have their version").with("add at = \"/version\"")
            })?;
            said
        }
    };
    r.policy.merge.version = vec![version.at.clone()];
    r.policy.body_version = Some(version);
    Ok(())
}

fn of_dialect(name: &str) -> Result<BodyVersion, Wrong> {
    let judge = Judge::standard();
    if let Some(version) = judge.body_version(name) {
        return Ok(version.clone());
    }
    let known: Vec<&str> = judge
        .packs()
        .iter()
        .filter(|pack| pack.body_version().is_some())
        .map(|pack| pack.name())
        .collect();
    let quoted: Vec<String> = known.iter().map(|name| format!("{name:?}")).collect();
    let wrong = Wrong::new(format!("{name:?} is no dialect that keeps versions in the content"));
    Err(match nearest(name, known.iter().copied()) {
        Some(near) => wrong.with(format!("did you mean {near:?}?")),
        None => wrong.with(format!("name a place such as \"/version\", or {}", one_of(&quoted))),
    })
}

pub(super) fn show_version(r: &RouteSettings) -> Option<String> {
    let version = r.policy.body_version.as_ref()?;
    let mut parts = vec![format!("at = {}", show_text(&version.at.to_string()))];
    parts.extend(
        version
            .answered_at
            .as_ref()
            .map(|at| format!("answered_at = {}", show_text(&at.to_string()))),
    );
    parts.extend(
        version
            .query
            .as_ref()
            .map(|name| format!("query = {}", show_text(name))),
    );
    if version.kind != EtagKind::Auto {
        parts.push(format!("kind = {}", show_word(&ETAG, version.kind)));
    }
    parts.push(format!("absent = {}", show_word(&ABSENT, version.absent)));
    if version.content != Sent::Document {
        parts.push(format!("content = {}", show_word(&SENT, version.content)));
    }
    Some(format!("{{ {} }}", parts.join(", ")))
}

/// `natural_key`: the members, and how a resource is found by them.
pub(super) fn read_natural_key(r: &mut RouteSettings, node: &Node) -> Result<(), Wrong> {
    let (mut members, mut look_up, mut items, mut location) = (None, None, Pointer::default(), None);
    let template = |node: &Node| {
        Template::parse(node.text()?)
            .map_err(|error| Wrong::new(format!("failed to {error}")).at(node))
            .map(Some)
    };
    let like = "{ members = \"/email\", look_up = \"/users?email={/email}\" }";
    each(node.table(like)?, |setting| {
        let node = &setting.node;
        match setting.name.as_str() {
            "members" => members = Some(each(node.list()?, member)?),
            "look_up" => look_up = template(node)?,
            "items" => items = place(node)?,
            "location" => location = template(node)?,
            _ => return Err(unknown(setting, &["members", "look_up", "items", "location"])),
        }
        Ok(())
    })?;
    let members = members
        .filter(|m: &Vec<Pointer>| !m.is_empty())
        .ok_or_else(|| Wrong::new("it names no members that are unique").with("add members = \"/email\""))?;
    let look_up = look_up.ok_or_else(|| {
        Wrong::new("it does not say how a resource is found").with("add look_up = \"/users?email={/email}\"")
    })?;
    r.policy.natural_key = Some(NaturalKey {
        members,
        look_up,
        items,
        location,
        prefix: String::new(),
    });
    Ok(())
}

pub(super) fn show_natural_key(r: &RouteSettings) -> Option<String> {
    let key = r.policy.natural_key.as_ref()?;
    let members: Vec<String> = key.members.iter().map(ToString::to_string).collect();
    let mut parts = vec![
        format!("members = {}", show_list(members.iter().map(String::as_str))),
        format!("look_up = {}", show_text(&key.look_up.to_string())),
    ];
    if !key.items.0.is_empty() {
        parts.push(format!("items = {}", show_text(&key.items.to_string())));
    }
    parts.extend(
        key.location
            .as_ref()
            .map(|l| format!("location = {}", show_text(&l.to_string()))),
    );
    Some(format!("{{ {} }}", parts.join(", ")))
}
