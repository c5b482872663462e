//! What would have been done with a write, read off the story of its exchange.

use std::fmt::Write;

use serde_json::{Map, Value, json};
use tiebreak_client::story::{Event, Story};
use tiebreak_core::outcome::Outcome;
use tiebreak_core::problem::Kind;

/// What Tiebreak would have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Would {
    Joined,
    Replayed,
    TakenUp,
    Queued,
    Guarded,
    Looked,
    Merged,
    Adopted,
    Waited,
    SentAgain,
    HandedOff,
    Doubted,
    Overlap,
    BaseUnknown,
    Refused,
}

impl Would {
    /// Its token in a report, and what it means; in the order of a summary.
    pub(super) const ALL: [(Would, &'static str, &'static str); 15] = [
        (Would::Queued, "queued", "made it wait for an earlier write in its lane"),
        (
            Would::Guarded,
            "guarded",
            "guarded it with the version that its caller read",
        ),
        (
            Would::Merged,
            "merged",
            "merged it into a newer version, which it overwrote or failed on",
        ),
        (
            Would::Overlap,
            "overlap",
            "refused it: it overlaps with another writer's change (409)",
        ),
        (
            Would::BaseUnknown,
            "base-unknown",
            "refused it: it cannot be told which version it was made from (409)",
        ),
        (
            Would::Replayed,
            "replayed",
            "answered it from the record: it was done before",
        ),
        (
            Would::Joined,
            "joined",
            "made it join the same write, which was running",
        ),
        (
            Would::TakenUp,
            "taken-up",
            "taken it for the repeat of a write in doubt",
        ),
        (Would::Adopted, "adopted", "found that what it asks was there already"),
        (Would::Looked, "looked", "read the target before going on"),
        (Would::Waited, "waited", "waited for the conflict to end"),
        (Would::SentAgain, "sent-again", "sent it again, which could do no harm"),
        (
            Would::HandedOff,
            "handed-off",
            "handed it to a real browser, where a person could pass the check",
        ),
        (
            Would::Doubted,
            "in-doubt",
            "called it in doubt, unless a look at the target proved otherwise (504)",
        ),
        (Would::Refused, "refused", "refused it for another reason"),
    ];

    pub(super) fn token(self) -> &'static str {
        Would::ALL
            .iter()
            .find(|(w, ..)| *w == self)
            .map_or("", |(_, token, _)| token)
    }

    fn means(self) -> &'static str {
        Would::ALL
            .iter()
            .find(|(w, ..)| *w == self)
            .map_or("", |(.., means)| means)
    }
}

/// One write, and what would have been done with it.
#[derive(Debug)]
pub(super) struct Finding {
    /// When it came, in milliseconds since 1970.
    pub(super) at: u64,
    pub(super) method: String,
    /// The target, with concealed query values.
    pub(super) target: String,
    /// Its route.
    pub(super) route: String,
    /// What the origin answered; `None`: nothing.
    pub(super) status: Option<u16>,
    /// What that answer means, unless it is a success.
    pub(super) class: Option<&'static str>,
    pub(super) would: Vec<Would>,
    /// The guarantee that it would have had.
    pub(super) guarantee: Option<&'static str>,
    /// More about it, by name.
    pub(super) more: Map<String, Value>,
}

impl Finding {
    /// Reads the story. `behind`: how many writes stood in its lanes when it came; `own`: its own client sent a precondition;
    /// `blind`: what follows the first look at the target is a guess, and left out, as is what would follow a hand-off.
    pub(super) fn of(story: &Story, route: &str, behind: usize, own: bool, blind: bool) -> Finding {
        let mut finding = Finding {
            at: story.subject.at.0,
            method: story.subject.method.clone(),
            target: story.subject.target.clone(),
            route: route.to_owned(),
            status: None,
            class: None,
            would: Vec::new(),
            guarantee: None,
            more: Map::new(),
        };
        if behind > 0 && story.events.iter().any(|(_, event)| matches!(event, Event::Queued)) {
            finding.would(Would::Queued);
            finding.more.insert("behind".into(), json!(behind));
        }
        for (_, event) in &story.events {
            finding.take(event, own);
            match event {
                Event::Fetching if blind => break,
                // Nobody was asked; whether they had passed the check is not known.
                Event::HandingOff(_) => break,
                _ => {}
            }
        }
        finding
    }

    fn take(&mut self, event: &Event, own: bool) {
        match event {
            Event::Joined => self.would(Would::Joined),
            Event::Known(known) => match known.1 {
                "settled" => self.would(Would::Replayed),
                "in-doubt" => self.would(Would::TakenUp),
                _ => {}
            },
            Event::Merged(fields) => {
                self.would(Would::Merged);
                self.more.insert("ours".into(), json!(fields.ours));
                self.more.insert("theirs".into(), json!(fields.theirs));
            }
            Event::Sent { attempt: 1, guard, .. } => {
                if let (Some(guard), false) = (guard, own) {
                    self.would(Would::Guarded);
                    self.more.insert("guard".into(), json!(guard));
                }
            }
            Event::Sent { .. } => self.would(Would::SentAgain),
            Event::Answered { status, .. } => {
                self.status.get_or_insert(*status);
            }
            Event::Lost(why) => {
                self.would(Would::Doubted);
                self.more.insert("why".into(), json!(why.why()));
            }
            Event::Judged(judged) => {
                if self.class.is_none() {
                    self.class = Some(judged.class.as_str());
                    let evidence: Vec<Value> = judged.evidence.iter().map(|e| json!(e.excerpt)).collect();
                    self.more.insert("evidence".into(), json!(evidence));
                }
            }
            Event::Fetching => self.would(Would::Looked),
            Event::HandingOff(ask) => {
                self.would(Would::HandedOff);
                self.more.insert("check".into(), json!(ask.0));
            }
            Event::Waiting(_) => self.would(Would::Waited),
            Event::Overlap(fields) => {
                let pointers = fields.as_array().into_iter().flatten().filter_map(|f| f.get("pointer"));
                let pointers: Vec<&Value> = pointers.collect();
                self.more.insert("overlap".into(), json!(pointers));
            }
            Event::Doubted => self.would(Would::Doubted),
            Event::Told(told) => {
                self.guarantee = Some(told.guarantee.as_str());
                if told.outcome == Outcome::Adopted {
                    self.would(Would::Adopted);
                }
                match told.problem {
                    None | Some(Kind::InDoubt) => {}
                    Some(Kind::Overlap) => self.would(Would::Overlap),
                    Some(Kind::BaseUnknown) => self.would(Would::BaseUnknown),
                    Some(kind) => {
                        self.would(Would::Refused);
                        self.more.insert("problem".into(), json!(kind.slug()));
                    }
                }
            }
            Event::Queued
            | Event::LaneFull
            | Event::Turn(_)
            | Event::Claimed { .. }
            | Event::Passed
            | Event::NotSent(_)
            | Event::Fetched { .. }
            | Event::Unreadable(_)
            | Event::Settled(_)
            | Event::Released
            | Event::Resolved(_)
            | Event::HandedOff(_)
            | Event::LedgerFailed(_)
            | Event::Elapsed
            | Event::CallerGone => {}
        }
    }

    pub(super) fn would(&mut self, what: Would) {
        if !self.would.contains(&what) {
            self.would.push(what);
        }
    }

    /// As a line of JSON.
    pub(super) fn json(&self) -> String {
        let would: Vec<&str> = self.would.iter().map(|would| would.token()).collect();
        let mut line = json!({
            "at": self.at,
            "method": self.method,
            "target": self.target,
            "route": self.route,
            "status": self.status,
            "class": self.class,
            "would": would,
            "guarantee": self.guarantee,
        });
        if let Value::Object(members) = &mut line {
            members.extend(self.more.clone());
        }
        line.to_string()
    }

    /// As a line for people.
    pub(super) fn told(&self) -> String {
        let status = self.status.map_or("no answer".to_owned(), |status| status.to_string());
        let mut told = format!("observed {} {}: {status}", self.method, self.target);
        if let Some(class) = self.class {
            let _ = write!(told, " ({class})");
        }
        if self.would.is_empty() {
            told.push_str("; Tiebreak would have sent it as it came");
            return told;
        }
        let would: Vec<&str> = self.would.iter().map(|would| would.means()).collect();
        let _ = write!(told, "; Tiebreak would have {}", would.join(", and "));
        for (name, value) in self.more.iter().filter(|(name, _)| *name != "evidence") {
            let _ = write!(
                told,
                "; {name}: {}",
                value.as_str().map_or_else(|| value.to_string(), str::to_owned)
            );
        }
        told
    }
}
