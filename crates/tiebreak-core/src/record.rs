//! What the ledger remembers of a write.

use std::fmt;

use bytes::Bytes;
use http::HeaderName;

use crate::caller::CallerId;
use crate::delivery::Unknown;
use crate::fingerprint::Fingerprint;
use crate::guarantee::Guarantee;
use crate::key::{KeyDigest, KeyTrace};
use crate::lane::LaneId;
use crate::outcome::Outcome;
use crate::time::Time;
use crate::validator::EntityTag;
use crate::verdict::Class;

/// The name of a write: 16 bytes, random but for a leading time, shown as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WriteId(pub [u8; 16]);

impl WriteId {
    /// An id from a time and 10 random bytes.
    #[must_use]
    pub fn new(now: Time, random: [u8; 10]) -> WriteId {
        let mut id = [0; 16];
        id[..6].copy_from_slice(&now.0.to_be_bytes()[2..]);
        id[6..].copy_from_slice(&random);
        WriteId(id)
    }

    /// Reads the form that [`fmt::Display`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<WriteId> {
        if text.len() != 32 || !text.is_ascii() {
            return None;
        }
        let mut id = [0; 16];
        for (byte, pair) in id.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(WriteId(id))
    }
}

impl fmt::Display for WriteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for WriteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A number that only grows, given out with each claim. It protects the ledger: what carries an older
/// fence than the record changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Fence(pub u64);

/// The right to perform one write, made durable before anything is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The write's id.
    pub id: WriteId,
    /// The write's key, where it has one. At most one unreleased record has a given key.
    pub key: Option<KeyDigest>,
    /// The trace of that key without its caller; `None` where the client sent none.
    pub trace: Option<KeyTrace>,
    /// Who writes.
    pub caller: CallerId,
    /// What is written.
    pub fingerprint: Fingerprint,
    /// The request method.
    pub method: String,
    /// The target URI.
    pub target: String,
    /// The lanes it holds, sorted.
    pub lanes: Vec<LaneId>,
    /// Which attempt this is about to be, from 1.
    pub attempt: u32,
    /// What guards the attempt, where it is known at the time of the claim; see [`Held`].
    pub held: Option<String>,
    /// When it was claimed.
    pub at: Time,
    /// When the key may be forgotten once the write is settled; `None`: never.
    pub expires: Option<Time>,
}

/// What a write is looked up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sought {
    /// Its key, where it has one.
    pub key: Option<KeyDigest>,
    /// The trace of that key.
    pub trace: Option<KeyTrace>,
    /// Who writes.
    pub caller: CallerId,
    /// What is written.
    pub fingerprint: Fingerprint,
}

impl Sought {
    /// Whether `claim` is the same write under the same key, which cannot be guessed, of somebody else.
    #[must_use]
    pub fn is_used_by_another(&self, claim: &Claim) -> bool {
        let same = |(ours, theirs): (KeyTrace, KeyTrace)| ours == theirs && ours.exclusive;
        self.trace.zip(claim.trace).is_some_and(same)
            && claim.caller != self.caller
            && claim.fingerprint == self.fingerprint
    }
}

impl Claim {
    /// What stands in the way of this claim is looked up by.
    #[must_use]
    pub fn sought(&self) -> Sought {
        Sought {
            key: self.key,
            trace: self.trace,
            caller: self.caller,
            fingerprint: self.fingerprint,
        }
    }
}

/// What guards an attempt, as a claim keeps it in text: an entity tag, or `*` for a creation, each followed by `;new` where the
/// target was seen not to hold what is asked. After it, or alone, may stand [what key it brings](key_brought).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The validator.
    pub validator: HeldValidator,
    /// Whether the target did not hold at that version what is asked: if it does later, and has another version, then it was
    /// this attempt that was applied.
    pub new: bool,
}

/// Before the name of the field in which a write brings a key that Tiebreak made for it.
const KEY: &str = ";key=";

/// What a claim keeps of an attempt that brings a key which Tiebreak made, in this field.
#[must_use]
pub fn with_key(held: Option<String>, field: &HeaderName) -> String {
    held.unwrap_or_default() + KEY + field.as_str()
}

/// The field in which the attempt that a claim was made for brought a key of Tiebreak's making; `None`: it brought none.
#[must_use]
pub fn key_brought(held: &str) -> Option<HeaderName> {
    // In an entity tag a quote would follow, which no name has.
    HeaderName::from_bytes(held.rsplit_once(KEY)?.1.as_bytes()).ok()
}

/// The validator that a claim holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeldValidator {
    /// `If-Match` with this tag.
    Tag(EntityTag),
    /// `If-None-Match: *`.
    Nothing,
}

impl Held {
    /// Reads what [`fmt::Display`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Held> {
        let text = match key_brought(text) {
            Some(_) => text.rsplit_once(KEY)?.0,
            None => text,
        };
        let (validator, new) = match text.strip_suffix(";new") {
            Some(validator) => (validator, true),
            None => (text, false),
        };
        let validator = match validator {
            "*" => HeldValidator::Nothing,
            tag => HeldValidator::Tag(EntityTag::parse(tag).ok()?),
        };
        Some(Held { validator, new })
    }

    /// The tag that it names.
    #[must_use]
    pub fn tag(&self) -> Option<&EntityTag> {
        match &self.validator {
            HeldValidator::Tag(tag) => Some(tag),
            HeldValidator::Nothing => None,
        }
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.validator {
            HeldValidator::Tag(tag) => write!(f, "{tag}")?,
            HeldValidator::Nothing => f.write_str("*")?,
        }
        f.write_str(if self.new { ";new" } else { "" })
    }
}

/// What a write came to, durable before its answer is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// What became of it. Never [`Outcome::InDoubt`]: that is [`State::InDoubt`].
    pub outcome: Outcome,
    /// The status that was answered.
    pub status: u16,
    /// The response fields that may be kept, by an allow-list.
    pub fields: Vec<(String, String)>,
    /// The content that was answered, bounded.
    pub content: Bytes,
    /// Whether `content` was cut at the bound, so that it cannot be replayed whole.
    pub truncated: bool,
    /// The class of the verdict, where there was one.
    pub class: Option<Class>,
    /// The deciding signal, in words.
    pub evidence: String,
    /// How strong the promise was.
    pub guarantee: Guarantee,
    /// How often it was sent.
    pub attempts: u32,
    /// When it was settled.
    pub at: Time,
}

impl Settlement {
    /// Whether nobody needs to be kept from sending the write again: a doubt about it was settled as *not applied*, and
    /// there is no answer of the origin to give again (status 0).
    #[must_use]
    pub fn frees_key(&self) -> bool {
        self.outcome == Outcome::Refused && self.status == 0
    }
}

/// Why a write is in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doubt {
    /// What happened to its last attempt.
    pub reason: Unknown,
    /// How often it was sent, as far as is known.
    pub attempts: u32,
    /// How strong the promise was.
    pub guarantee: Guarantee,
    /// Since when.
    pub since: Time,
}

/// The state of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Claimed, and its owner is at work.
    Claimed,
    /// Done.
    Settled(Settlement),
    /// Sent, and nobody can yet prove whether it was applied. Never expires.
    InDoubt(Doubt),
}

/// A write as the ledger remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The claim, as last amended.
    pub claim: Claim,
    /// The fence of the last claim.
    pub fence: Fence,
    /// Its state.
    pub state: State,
}

impl Record {
    /// Whether it keeps the same write under the same key from being sent: not once it is settled and its time is over, or its
    /// settlement [frees its key](Settlement::frees_key).
    #[must_use]
    pub fn is_in_the_way(&self, now: Time) -> bool {
        match &self.state {
            State::Settled(settlement) => !settlement.frees_key() && self.claim.expires.is_none_or(|at| at > now),
            State::Claimed | State::InDoubt(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_read_as_it_was_written() {
        for text in ["\"v7\"", "\"v7\";new", "W/\"a;new\"", "*", "*;new"] {
            assert_eq!(Held::parse(text).unwrap().to_string(), text);
        }
        assert!(!Held::parse("\"a;new\"").unwrap().new);
        for text in [Some("\"v7\""), Some("*;new"), Some("\"a;key=b\""), None] {
            let field = HeaderName::from_static("idempotency-key");
            let kept = with_key(text.map(str::to_owned), &field);
            assert_eq!(key_brought(&kept), Some(field));
            assert_eq!(Held::parse(&kept), text.and_then(Held::parse));
            assert_eq!(text.and_then(key_brought), None);
        }
        for bad in ["", "v7", "\"v7\";old", ";new"] {
            assert_eq!(Held::parse(bad), None, "{bad}");
        }
    }
}
