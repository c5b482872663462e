//! What happened to a write, as JSON: each event with its own members and a sentence that says it.

use serde_json::{Map, Value, json};
use tiebreak_client::story::{Event, Judged, Story, Told};
use tiebreak_core::record::{Held, key_brought};
use tiebreak_core::verdict::Confidence;

use crate::console::page::count_of;
/// A story.
pub(crate) fn story(story: &Story) -> Value {
    let subject = &story.subject;
    let events: Vec<Value> = story.events.iter().map(|(ms, e)| event(*ms, e)).collect();
    json!({
        "id": subject.id.to_string(),
        "told": story.told.map(|id| id.to_string()),
        "method": subject.method,
        "target": subject.target,
        "anonymous": subject.anonymous,
        "keyed": subject.keyed,
        "lanes": subject.lanes,
        "bytes": subject.bytes,
        "at": subject.at.0,
        "ended": story.ended,
        "dropped": story.dropped,
        "events": events,
    })
}

/// One line of a list.
pub(crate) fn brief(story: &Story) -> Value {
    let subject = &story.subject;
    let told = story.events.iter().rev().find_map(|(ms, e)| match e {
        Event::Told(told) => Some((ms, told)),
        _ => None,
    });
    let last = story.events.last().map(|(_, e)| Said::of(e));
    json!({
        "id": story.told.unwrap_or(subject.id).to_string(),
        "method": subject.method,
        "target": subject.target,
        "at": subject.at.0,
        "ended": story.ended,
        "ms": told.map(|(ms, _)| ms),
        "status": told.map(|(_, t)| t.status),
        "outcome": told.map(|(_, t)| t.outcome.as_str()),
        "class": told.and_then(|(_, t)| t.class).map(|c| c.as_str()),
        "problem": told.and_then(|(_, t)| t.problem).map(|p| p.slug()),
        "guarantee": told.map(|(_, t)| t.guarantee.as_str()),
        "attempts": told.map(|(_, t)| t.attempts),
        "last": last.map(|said| said.text),
    })
}

fn event(ms: u32, event: &Event) -> Value {
    let said = Said::of(event);
    let mut out = Map::new();
    out.insert("ms".into(), ms.into());
    out.insert("what".into(), said.what.into());
    out.insert("text".into(), said.text.into());
    if let Value::Object(members) = said.members {
        out.extend(members);
    }
    Value::Object(out)
}

/// An event in words.
struct Said {
    /// Which one: a word that never changes.
    what: &'static str,
    text: String,
    members: Value,
}

impl Said {
    fn plain(what: &'static str, text: &str) -> Said {
        Said::new(what, text.to_owned(), Value::Null)
    }

    fn new(what: &'static str, text: String, members: Value) -> Said {
        Said { what, text, members }
    }

    fn of(event: &Event) -> Said {
        match event {
            Event::Joined => Said::plain("joined", "the same write is on its way already; waits for its outcome"),
            Event::Known(known) => {
                let (id, state) = &**known;
                let text = match *state {
                    "settled" => format!("the ledger has its outcome already, as write {id}"),
                    "in-doubt" => format!("the ledger has it as a doubt, write {id}; takes that up"),
                    _ => format!("the ledger has it as write {id}, which is not finished"),
                };
                Said::new("known", text, json!({ "write": id.to_string(), "state": state }))
            }
            Event::Queued => Said::plain("queued", "stands in its lane"),
            Event::LaneFull => Said::plain("lane-full", "its lane is full"),
            Event::Turn(etag) => {
                let text = match etag {
                    Some(etag) => format!("its turn; the write before it left version {etag}"),
                    None => "its turn".into(),
                };
                Said::new("turn", text, json!({ "etag": etag }))
            }
            Event::Claimed { attempt, fence, held } => {
                let holding = held
                    .as_deref()
                    .map_or_else(String::new, |held| match Held::parse(held) {
                        Some(Held { validator, .. }) => format!(", holding {}", Held { validator, new: false }),
                        None => match key_brought(held) {
                            Some(field) => format!(", with a key in {field}"),
                            None => format!(", holding {held}"),
                        },
                    });
                let text = format!("its claim for attempt {attempt} is durable{holding}");
                let members = json!({ "attempt": attempt, "fence": fence, "held": held });
                Said::new("claimed", text, members)
            }
            Event::Merged(fields) => {
                let text = match (fields.ours.len(), fields.theirs.len()) {
                    (0, theirs) => {
                        let theirs = count_of(theirs as u64, "field", "fields");
                        format!("put onto a newer version, in which {theirs} had changed")
                    }
                    (ours, theirs) => {
                        let ours = count_of(ours as u64, "changed field", "changed fields");
                        format!("{ours} merged with {theirs} that others changed meanwhile")
                    }
                };
                Said::new("merged", text, json!({ "ours": fields.ours, "theirs": fields.theirs }))
            }
            Event::Sent { attempt, guard, bytes } => {
                let under = guard
                    .as_ref()
                    .map_or_else(|| " without a precondition".into(), |g| format!(" under {g}"));
                let text = format!("attempt {attempt} is sent{under}");
                let members = json!({ "attempt": attempt, "guard": guard, "bytes": bytes });
                Said::new("sent", text, members)
            }
            Event::Answered { status, etag, bytes } => {
                let members = json!({ "status": status, "etag": etag, "bytes": bytes });
                Said::new("answered", format!("the origin answers {status}"), members)
            }
            Event::Passed => Said::plain(
                "passed",
                "its content is over the bound: it is streamed on as it comes, and nothing protects it",
            ),
            Event::NotSent(why) => {
                let text = format!("it did not reach the origin: {}", why.why());
                Said::new("not-sent", text, json!({ "why": why.why() }))
            }
            Event::Lost(why) => {
                let why = why.why();
                let text = format!("no answer that says what became of it: {why}");
                Said::new("lost", text, json!({ "why": why }))
            }
            Event::Judged(judged) => verdict(judged),
            Event::Fetching => Said::plain("fetching", "reads the resource as its caller"),
            Event::Fetched { status, etag, bytes } => {
                let version = etag.as_ref().map_or_else(String::new, |e| format!(", version {e}"));
                let members = json!({ "status": status, "etag": etag, "bytes": bytes });
                Said::new("fetched", format!("read: {status}{version}"), members)
            }
            Event::Unreadable(why) => {
                Said::new("unreadable", format!("could not be read: {why}"), json!({ "why": why }))
            }
            Event::HandingOff(ask) => {
                let (check, target) = &**ask;
                let text =
                    format!("it met {check}: a person is asked to pass it in the browser; the lane is free meanwhile");
                Said::new("handing-off", text, json!({ "check": check, "target": target }))
            }
            Event::HandedOff(None) => Said::plain(
                "handed-off",
                "the check is passed; what follows is sent from within the page",
            ),
            Event::HandedOff(Some(why)) => {
                let text = format!("the check was not passed: {why}");
                Said::new("not-handed-off", text, json!({ "why": why }))
            }
            Event::Waiting(ms) => Said::new("waiting", format!("waits {ms} ms"), json!({ "for": ms })),
            Event::Overlap(conflicts) => {
                let n = conflicts.as_array().map_or(0, Vec::len);
                let text = format!("{n} of its changes overlap with another writer's");
                Said::new("overlap", text, json!({ "conflicts": conflicts }))
            }
            Event::Settled(outcome) => {
                let outcome = outcome.as_str();
                Said::new("settled", format!("recorded: {outcome}"), json!({ "outcome": outcome }))
            }
            Event::Doubted => Said::plain("doubted", "recorded: in doubt"),
            Event::Released => Said::plain("released", "recorded: it was not applied; its key is free again"),
            Event::Resolved(outcome) => {
                let outcome = outcome.as_str();
                let text = format!("recorded: the doubt has ended, {outcome}");
                Said::new("resolved", text, json!({ "outcome": outcome }))
            }
            Event::LedgerFailed(why) => Said::new(
                "ledger-failed",
                format!("the ledger failed to {why}"),
                json!({ "why": why }),
            ),
            Event::Elapsed => Said::plain("elapsed", "its time is over"),
            Event::CallerGone => Said::plain("caller-gone", "its client has gone"),
            Event::Told(told) => answer(told),
        }
    }
}

fn verdict(judged: &Judged) -> Said {
    let first = judged
        .evidence
        .first()
        .map_or_else(String::new, |e| format!(": {}", e.signal));
    let text = format!("judged {}{first}", judged.class.as_str());
    let evidence = judged.evidence.iter();
    let evidence: Vec<Value> = evidence
        .map(|e| json!({ "signal": e.signal, "where": e.place, "excerpt": e.excerpt }))
        .collect();
    let members = json!({
        "class": judged.class.as_str(),
        "remedy": judged.remedy.as_str(),
        "dialect": judged.dialect,
        "confidence": match judged.confidence {
            Confidence::Low => "low",
            Confidence::Medium => "medium",
            Confidence::High => "high",
        },
        "evidence": evidence,
    });
    Said::new("judged", text, members)
}

fn answer(told: &Told) -> Said {
    let text = format!("its caller is answered {}: {}", told.status, told.outcome.as_str());
    let members = json!({
        "status": told.status,
        "outcome": told.outcome.as_str(),
        "class": told.class.map(|c| c.as_str()),
        "guarantee": told.guarantee.as_str(),
        "attempts": told.attempts,
        "replayed": told.replayed,
        "rebased": told.rebased,
        "unguarded": told.unguarded,
        "unprotected": told.unprotected,
        "problem": told.problem.map(|p| p.slug()),
        "detail": told.detail,
    });
    Said::new("told", text, members)
}
