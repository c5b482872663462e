//! Watches one exchange from outside and says which promise it breaks.

use std::collections::BTreeMap;

use http::{HeaderMap, Method};
use serde_json::Value;
use tiebreak_core::delivery::Delivery;
use tiebreak_core::exchange::{Answer, Effect, Entry, Input, Outgoing};
use tiebreak_core::judge::{Asked, Judge};
use tiebreak_core::outcome::Outcome;
use tiebreak_core::record::{Fence, State};
use tiebreak_core::time::Time;
use tiebreak_core::verdict::Class;

use crate::cases::{Base, Case, Doubtful};
use crate::world::Tags;

/// More effects than any exchange may need.
const MOST: u32 = 120;

/// An attempt that was put on the wire.
#[derive(Debug, Clone)]
struct Attempt {
    tag: Option<String>,
    creates: bool,
    key: Option<String>,
    headers: HeaderMap,
    content: Value,
    /// When it was given up.
    lost: Time,
}

#[derive(Debug, Clone)]
pub(crate) struct Watch {
    case: Case,
    fence: Option<Fence>,
    claimed: bool,
    recorded: Option<Outcome>,
    record_failed: bool,
    ledger_failed: bool,
    effects: u32,
    sends: u32,
    flying: Option<Attempt>,
    /// Attempts of which nothing is known.
    open: Vec<Attempt>,
    answered: Option<Outcome>,
    /// A conflict was met that nobody understands: nothing may be sent any more.
    unclear: bool,
    /// The status of the last read since the last attempt.
    looked: Option<u16>,
    /// The tag that it brought.
    looked_at: Option<String>,
    /// What `b` was in the version with this tag, as far as it was seen.
    seen: BTreeMap<String, u64>,
    read: Option<u64>,
    last_sent: Value,
}

impl Watch {
    pub(crate) fn new(case: &Case) -> Watch {
        Watch {
            case: case.clone(),
            fence: None,
            claimed: false,
            recorded: None,
            record_failed: false,
            ledger_failed: false,
            effects: 0,
            sends: 0,
            flying: None,
            open: Vec::new(),
            answered: None,
            unclear: false,
            looked: None,
            looked_at: None,
            seen: BTreeMap::new(),
            read: None,
            last_sent: serde_json::from_slice(&case.write().content).unwrap_or(Value::Null),
        }
    }

    /// What was sent last.
    pub(crate) fn last_sent(&self) -> &Value {
        &self.last_sent
    }

    /// Takes notice of what the exchange is told.
    pub(crate) fn told(&mut self, now: Time, input: &Input) {
        match input {
            Input::Granted(fence) | Input::GrantedToNobody(fence) => {
                self.fence = Some(*fence);
                self.claimed = true;
            }
            Input::Found(Some(record)) | Input::Taken(record) => {
                let State::InDoubt(doubt) = &record.state else { return };
                self.open.push(Attempt {
                    tag: self.case.held().filter(|t| t != "*"),
                    creates: self.case.held().as_deref() == Some("*"),
                    key: (self.case.honours_keys && self.case.brought_key).then(|| format!("\"{}\"", record.claim.id)),
                    headers: HeaderMap::new(),
                    content: Value::Null,
                    lost: doubt.since,
                });
            }
            Input::LedgerFailed(_) => {
                self.ledger_failed = true;
                self.record_failed |= self.recorded.is_some();
            }
            Input::Turn(view) => self.read = view.carried.as_ref().and(self.case.carried),
            Input::Delivered(delivery) => self.delivered(now, Some(delivery)),
            Input::Fetched(Delivery::Answered(response)) => {
                self.looked = Some(response.status.as_u16());
                self.looked_at = response.field("etag").map(str::to_owned);
                self.note(response.field("etag"), &response.content);
            }
            Input::Elapsed if self.flying.is_some() => self.delivered(now, None),
            _ => {}
        }
    }

    fn note(&mut self, tag: Option<&str>, content: &[u8]) {
        let Some(b) = serde_json::from_slice::<Value>(content)
            .ok()
            .and_then(|v| v["b"].as_u64())
        else {
            return;
        };
        self.read = Some(b);
        if let Some(tag) = tag {
            self.seen.insert(tag.to_owned(), b);
        }
    }

    fn delivered(&mut self, now: Time, delivery: Option<&Delivery>) {
        let Some(mut attempt) = self.flying.take() else { return };
        attempt.lost = now;
        self.looked = None;
        match delivery {
            Some(Delivery::NotSent(_)) => self.sends -= 1,
            None | Some(Delivery::Unknown(_)) => self.open.push(attempt),
            Some(Delivery::Declined(_)) => self.answered = Some(Outcome::Refused),
            Some(Delivery::Answered(response)) => match response.status.as_u16() {
                202 => self.answered = Some(Outcome::Accepted),
                200..=299 | 303 => {
                    self.answered = Some(Outcome::Applied);
                    self.note(response.field("etag"), &response.content);
                }
                408 | 500..=599 => self.open.push(attempt),
                _ => {
                    self.answered = Some(Outcome::Refused);
                    let verdict = Judge::standard().judge(
                        &Asked::new(&self.case.method, "/things/7", &attempt.headers)
                            .with_content(attempt.content.to_string().as_bytes()),
                        response,
                    );
                    let again = self.case.method == Method::POST && verdict.class == Class::Duplicate;
                    self.unclear |= verdict.class == Class::Unclear || again;
                }
            },
        }
    }

    /// Checks what the exchange asks for.
    pub(crate) fn asked(&mut self, now: Time, effect: &Effect) -> Result<(), String> {
        self.effects += 1;
        if self.effects > MOST {
            return Err(format!("it does not end: {MOST} effects"));
        }
        match effect {
            Effect::Answer { .. } => {}
            _ if self.recorded.is_some() => return Err("something follows the record but the answer".into()),
            _ => {}
        }
        match effect {
            Effect::Claim(claim) if claim.id.0 != [1; 16] => Err("the claim has another id".into()),
            Effect::Amend { fence, .. } if Some(*fence) != self.fence => Err("amended with an old fence".into()),
            Effect::Send(outgoing) => self.send(now, outgoing),
            Effect::Record { entry, .. } => self.record(entry),
            Effect::Answer { answer, .. } => self.end(answer),
            _ => Ok(()),
        }
    }

    fn send(&mut self, now: Time, outgoing: &Outgoing) -> Result<(), String> {
        if !self.claimed {
            return Err("promise 1: sent without a claim".into());
        }
        if self.unclear {
            return Err("promise 5: sent after a conflict that is not understood".into());
        }
        if matches!(self.answered, Some(Outcome::Applied | Outcome::Accepted)) {
            return Err("sent after a success".into());
        }
        let field = |name: &str| {
            let value = outgoing.headers.get(name)?;
            Some(value.to_str().unwrap().to_owned())
        };
        let attempt = Attempt {
            tag: field("if-match"),
            creates: field("if-none-match").as_deref() == Some("*"),
            key: field("idempotency-key"),
            headers: outgoing.headers.clone(),
            content: serde_json::from_slice(&outgoing.content).unwrap_or(Value::Null),
            lost: now,
        };
        for open in &self.open {
            self.justified(now, open, &attempt)?;
        }
        self.right_version(&attempt)?;
        self.sends += 1;
        let most = self.case.policy().attempts + u32::from(self.case.doubt != Doubtful::No);
        if self.sends > most {
            return Err(format!("sent {} times, {most} are allowed", self.sends));
        }
        self.last_sent = attempt.content.clone();
        self.flying = Some(attempt);
        Ok(())
    }

    fn justified(&self, now: Time, open: &Attempt, attempt: &Attempt) -> Result<(), String> {
        let by_key = self.case.honours_keys && open.key.is_some() && open.key == attempt.key;
        let by_version = self.case.tags == Tags::Version && open.tag.is_some() && open.tag == attempt.tag;
        let waited = now >= open.lost.after(self.case.policy().late_after);
        let by_absence = open.creates && attempt.creates && waited && self.looked == Some(404);
        if by_key || by_version || by_absence || (waited && self.still_stands(open, attempt)) {
            return Ok(());
        }
        Err(format!(
            "promise 2: sent again on a guess (before: tag {:?} creates {}; now: tag {:?} creates {})",
            open.tag, open.creates, attempt.tag, attempt.creates
        ))
    }

    /// Whether what this exchange tried to remove was just seen at the very version that its caller had read before, and is now
    /// removed under that version.
    fn still_stands(&self, open: &Attempt, attempt: &Attempt) -> bool {
        let read_before = match self.case.base {
            Base::Read => self.case.tags.of(1),
            _ => None,
        };
        self.case.method == Method::DELETE
            && self.case.doubt == Doubtful::No
            && self.case.tags == Tags::Version
            && open.tag.is_none()
            && read_before.is_some()
            && attempt.tag == read_before
            && self.looked_at == read_before
    }

    /// What is sent must have been made from, or merged onto, the version that it is sent under.
    fn right_version(&self, attempt: &Attempt) -> Result<(), String> {
        let Some(made_from) = attempt.content["b"].as_u64() else {
            return Ok(());
        };
        // A job says what shall be there, whatever there is.
        if self.case.check_first {
            return Ok(());
        }
        let expected = match &attempt.tag {
            Some(tag) => self.seen.get(tag).copied().or_else(|| self.case.tags.version(tag)),
            None if attempt.creates || !self.read_something() => Some(1),
            None => self.read,
        };
        if expected == Some(made_from) {
            return Ok(());
        }
        Err(format!(
            "promise 4: content made from version {made_from} is sent under {:?}, which is version {expected:?}",
            attempt.tag
        ))
    }

    fn read_something(&self) -> bool {
        matches!(self.case.base, Base::Read | Base::ReadTwo)
    }

    fn record(&mut self, entry: &Entry) -> Result<(), String> {
        let (fence, outcome) = match entry {
            Entry::Settle(_, fence, settlement) => (Some(*fence), settlement.outcome),
            Entry::Doubt(_, fence, _) => (Some(*fence), Outcome::InDoubt),
            Entry::Release(_, fence) => {
                if !self.open.is_empty() || matches!(self.answered, Some(Outcome::Applied | Outcome::Accepted)) {
                    return Err("released a write that may have been applied".into());
                }
                (Some(*fence), Outcome::NotSent)
            }
            Entry::Resolve(_, settlement, _) => (None, settlement.outcome),
        };
        if fence.is_some() && fence != self.fence {
            return Err("recorded with an old fence".into());
        }
        self.recorded = Some(outcome);
        Ok(())
    }

    fn end(&mut self, answer: &Answer) -> Result<(), String> {
        let outcome = answer.report.outcome;
        if answer.replayed && !self.claimed {
            return Ok(()); // it was recorded when it was given first
        }
        let written = self.recorded.filter(|_| !self.record_failed);
        let durable = match (written, outcome) {
            (Some(Outcome::NotSent), Outcome::Refused | Outcome::NotSent) => true,
            (Some(written), outcome) => written == outcome,
            (None, Outcome::InDoubt | Outcome::NotSent) => true,
            (None, _) => !self.claimed && self.open.is_empty(),
        };
        if !durable {
            return Err(format!("promise 3: answered {outcome:?}, recorded {written:?}"));
        }
        let looked = self.looked;
        let honest = match outcome {
            Outcome::Applied => {
                let seen = match self.case.method {
                    Method::DELETE => looked == Some(404),
                    _ => looked == Some(200),
                };
                self.answered == Some(Outcome::Applied) || (!self.open.is_empty() && seen)
            }
            Outcome::Accepted => self.answered == Some(Outcome::Accepted),
            Outcome::Adopted => looked.is_some() || self.read.is_some(),
            Outcome::Refused => self.sends > 0 && self.open.is_empty(),
            Outcome::NotSent => self.sends == 0 && self.open.is_empty(),
            Outcome::InDoubt => !self.open.is_empty() || self.ledger_failed,
        };
        if !honest {
            return Err(format!(
                "promise 8: answered {outcome:?} with {} sent, {} open, last answer {:?}, looked {looked:?}",
                self.sends,
                self.open.len(),
                self.answered
            ));
        }
        Ok(())
    }
}
