//! The situations that an exchange can be put into.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use tiebreak_core::base::{Candidates, Served};
use tiebreak_core::caller::CallerId;
use tiebreak_core::delivery::Unknown;
use tiebreak_core::exchange::{Carried, Context, Exchange, LaneView};
use tiebreak_core::fingerprint::{Digest, Fingerprint};
use tiebreak_core::guarantee::Guarantee;
use tiebreak_core::judge::Judge;
use tiebreak_core::key::{IDEMPOTENCY_KEY, KeyDigest};
use tiebreak_core::lane::default_lanes;
use tiebreak_core::merge::Representation;
use tiebreak_core::outcome::Outcome;
use tiebreak_core::policy::Policy;
use tiebreak_core::record::{Claim, Doubt, Fence, Record, Settlement, State, WriteId, with_key};
use tiebreak_core::repeat::Likeness;
use tiebreak_core::request::{Target, WriteRequest};
use tiebreak_core::time::Time;
use tiebreak_core::validator::EntityTag;
use tiebreak_core::virtual_tag::VirtualTags;

use crate::world::{Tags, document, fields};

/// When everything begins.
pub(crate) const START: Time = Time(1_000_000);

/// Which version the write is known to have been made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    /// Nothing was read.
    Nothing,
    /// Something was read that had to make room.
    Forgotten,
    /// The client's own `If-Match` with the tag of version 1.
    Named,
    /// The same with `Prefer: tiebreak=rebase`.
    NamedRebase,
    /// Version 1 was read on the write's connection.
    Read,
    /// Versions 0 and 1 were read, on other connections.
    ReadTwo,
    /// The client's own `If-Match` with the tags of versions 1 and 2.
    NamedTwo,
    /// The client's own `If-Match: *`.
    IfMatchAny,
    /// The client's own `If-None-Match: *`.
    IfNoneMatch,
}

/// A doubt that an earlier exchange left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubtful {
    No,
    /// Without validator.
    Unguarded,
    /// Under the tag of version 1, from which the write was made.
    UnderBase,
    /// Under the tag of version 2, onto which it had been merged.
    UnderMerged,
    /// Under `If-None-Match: *`, by a job that had found nothing there.
    Creating,
}

/// What a person makes of a bot check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HandOffs {
    /// The route does not allow it.
    Off,
    Passes,
    Closed,
    Elapses,
}

#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) method: Method,
    pub(crate) key: bool,
    pub(crate) base: Base,
    pub(crate) tags: Tags,
    pub(crate) virtual_tags: VirtualTags,
    pub(crate) honours_keys: bool,
    /// How long it does.
    pub(crate) honours_keys_for: Option<Duration>,
    /// Whether the attempt that is in doubt brought a key of ours, where the origin honours keys.
    pub(crate) brought_key: bool,
    pub(crate) check_first: bool,
    pub(crate) claim_ahead: bool,
    /// The version that the lane carries.
    pub(crate) carried: Option<u64>,
    pub(crate) doubt: Doubtful,
    pub(crate) hand_off: HandOffs,
    pub(crate) least: Guarantee,
    /// The `Authorization` field.
    pub(crate) authorization: Option<&'static str>,
    pub(crate) follow_202: bool,
}

impl Default for Case {
    fn default() -> Case {
        Case {
            method: Method::PUT,
            key: true,
            base: Base::Nothing,
            tags: Tags::Version,
            virtual_tags: VirtualTags::Off,
            honours_keys: false,
            honours_keys_for: Policy::default().honours_keys_for,
            brought_key: true,
            check_first: false,
            claim_ahead: false,
            carried: None,
            doubt: Doubtful::No,
            hand_off: HandOffs::Off,
            least: Guarantee::D,
            authorization: None,
            follow_202: false,
        }
    }
}

pub(crate) const CALLER: CallerId = CallerId(Digest([7; 32]));

impl Case {
    pub(crate) fn policy(&self) -> Policy {
        Policy {
            virtual_tags: self.virtual_tags,
            least: self.least,
            honours_keys: self.honours_keys,
            honours_keys_for: self.honours_keys_for,
            claim_ahead: self.claim_ahead,
            attempts: 4,
            patience: Duration::from_secs(4),
            attempt_timeout: Duration::from_millis(500),
            backoff: (Duration::from_millis(200), Duration::from_millis(400)),
            late_after: Duration::from_secs(1),
            hand_off: self.hand_off != HandOffs::Off,
            follow_202: self.follow_202,
            hand_off_wait: Duration::from_secs(60),
            ..Policy::default()
        }
    }

    /// The tag by which a client knows version `n`: the origin's, or ours.
    pub(crate) fn shown(&self, n: u64) -> Option<String> {
        let ours = || {
            let representation = Representation::new("application/json", document("old", n));
            Some(self.policy().virtual_tag(&representation)?.to_string())
        };
        self.tags.of(n).or_else(ours)
    }

    pub(crate) fn write(&self) -> WriteRequest {
        let kind = match self.method {
            Method::PATCH => "application/merge-patch+json",
            _ => "application/json",
        };
        let mut headers = vec![("content-type", kind)];
        headers.extend(self.authorization.map(|value| ("authorization", value)));
        let tag = self.shown(1).unwrap_or_else(|| "\"1\"".to_owned());
        let two = format!("{tag}, {}", self.shown(2).unwrap_or_else(|| "\"2\"".to_owned()));
        match self.base {
            Base::Nothing | Base::Forgotten | Base::Read | Base::ReadTwo => {}
            Base::NamedTwo => headers.push(("if-match", &two)),
            Base::IfMatchAny => headers.push(("if-match", "*")),
            Base::Named => headers.push(("if-match", &tag)),
            Base::NamedRebase => headers.extend([("if-match", tag.as_str()), ("prefer", "tiebreak=rebase")]),
            Base::IfNoneMatch => headers.push(("if-none-match", "*")),
        }
        let content = match self.method {
            Method::PUT => document("new", 1),
            Method::PATCH | Method::POST => "{\"a\":\"new\"}".to_owned(),
            _ => String::new(),
        };
        WriteRequest {
            method: self.method.clone(),
            target: Target::parse("http://origin.example/things/7").unwrap(),
            headers: fields(&headers),
            content: Bytes::from(content),
        }
    }

    fn served(&self, n: u64, connection: u64) -> Served {
        Served {
            etag: self.tags.of(n).map(|t| EntityTag::parse(&t).unwrap()),
            content: Some(Representation::new("application/json", document("old", n))),
            at: START,
            connection: Some(connection),
            written_since: false,
            ..Served::default()
        }
    }

    fn candidates(&self) -> Candidates {
        let served = match self.base {
            Base::Nothing | Base::Forgotten | Base::IfNoneMatch => Vec::new(),
            Base::Named | Base::NamedRebase | Base::NamedTwo | Base::IfMatchAny | Base::Read => vec![self.served(1, 1)],
            Base::ReadTwo => vec![self.served(0, 2), self.served(1, 3)],
        };
        let forgotten = self.base == Base::Forgotten;
        Candidates {
            served,
            complete: !forgotten,
            forgotten,
            ..Candidates::default()
        }
    }

    pub(crate) fn exchange(&self) -> Exchange {
        let write = self.write();
        let context = Context {
            id: WriteId([1; 16]),
            caller: CALLER,
            key: self.key.then_some(KeyDigest(Digest([9; 32]))),
            trace: None,
            derived: None,
            likeness: Likeness::of(CALLER, None, Fingerprint::of(&write)),
            fingerprint: Fingerprint::of(&write),
            lanes: default_lanes(&write),
            policy: Arc::new(self.policy()),
            connection: Some(1),
            candidates: self.candidates(),
            base: None,
            marked: false,
            check_first: self.check_first,
            shared: false,
            seed: 11,
        };
        Exchange::new(Arc::new(write), context, Arc::new(Judge::standard()))
    }

    /// What the lane knows when the turn comes.
    pub(crate) fn view(&self) -> LaneView {
        LaneView {
            carried: self.carried.map(|n| Carried {
                caller: CALLER,
                variant: Vec::new(),
                etag: self.tags.of(n).map(|t| EntityTag::parse(&t).unwrap()),
                representation: Representation::new("application/json", document("old", n)),
            }),
            doubts: Vec::new(),
        }
    }

    /// The validator under which the doubtful attempt went out.
    pub(crate) fn held(&self) -> Option<String> {
        match self.doubt {
            Doubtful::No | Doubtful::Unguarded => None,
            Doubtful::UnderBase => self.tags.of(1),
            Doubtful::UnderMerged => self.tags.of(2),
            Doubtful::Creating => Some("*".to_owned()),
        }
    }

    /// The record of the doubt, if there is one.
    pub(crate) fn record(&self) -> Option<Record> {
        if self.doubt == Doubtful::No {
            return None;
        }
        let write = self.write();
        Some(Record {
            claim: Claim {
                id: WriteId([2; 16]),
                key: self.key.then_some(KeyDigest(Digest([9; 32]))),
                trace: None,
                caller: CALLER,
                fingerprint: Fingerprint::of(&write),
                method: write.method.to_string(),
                target: write.target.to_string(),
                lanes: default_lanes(&write),
                attempt: 1,
                held: match self.honours_keys && self.brought_key {
                    true => Some(with_key(self.held(), &IDEMPOTENCY_KEY)),
                    false => self.held(),
                },
                at: START,
                expires: None,
            },
            fence: Fence(1),
            state: State::InDoubt(Doubt {
                reason: Unknown::Crash,
                attempts: 1,
                guarantee: Guarantee::D,
                since: START,
            }),
        })
    }

    /// The same record once somebody has proven it.
    pub(crate) fn proven(&self) -> Option<Record> {
        let settlement = Settlement {
            outcome: Outcome::Refused,
            status: 409,
            fields: Vec::new(),
            content: Bytes::new(),
            truncated: false,
            class: None,
            evidence: String::new(),
            guarantee: Guarantee::D,
            attempts: 1,
            at: START,
        };
        Some(Record {
            state: State::Settled(settlement),
            ..self.record()?
        })
    }
}

/// Every sensible combination.
pub(crate) fn all() -> Vec<Case> {
    let mut out = Vec::new();
    for method in [Method::PUT, Method::PATCH, Method::DELETE, Method::POST] {
        for base in [
            Base::Nothing,
            Base::Named,
            Base::NamedRebase,
            Base::Read,
            Base::ReadTwo,
            Base::IfNoneMatch,
        ] {
            for tags in [Tags::Version, Tags::Digest, Tags::Weak, Tags::None] {
                for flags in 0..16u8 {
                    for doubt in [
                        Doubtful::No,
                        Doubtful::Unguarded,
                        Doubtful::UnderBase,
                        Doubtful::UnderMerged,
                        Doubtful::Creating,
                    ] {
                        out.push(Case {
                            method: method.clone(),
                            // A key changes nothing but look-up and release.
                            key: flags & 1 != 0,
                            base,
                            tags,
                            virtual_tags: VirtualTags::Off,
                            honours_keys: flags & 2 != 0,
                            honours_keys_for: Policy::default().honours_keys_for,
                            brought_key: true,
                            check_first: flags & 4 != 0,
                            claim_ahead: flags & 8 != 0,
                            carried: (flags & 1 != 0).then_some(2),
                            doubt,
                            hand_off: HandOffs::Passes,
                            least: Guarantee::D,
                            authorization: None,
                            follow_202: false,
                        });
                    }
                }
            }
        }
    }
    out.retain(is_sensible);
    out
}

fn is_sensible(case: &Case) -> bool {
    let tagged = matches!(case.tags, Tags::Version | Tags::Digest);
    let named = matches!(case.base, Base::Named | Base::NamedRebase);
    let guarded = named || case.base == Base::IfNoneMatch;
    match case.method {
        Method::POST if case.base != Base::Nothing || case.tags != Tags::Version => return false,
        Method::DELETE if !matches!(case.base, Base::Nothing | Base::Named | Base::Read) => return false,
        _ => {}
    }
    // What was read matters to a removal where its version can be named.
    if case.method == Method::DELETE && case.base == Base::Read && !tagged {
        return false;
    }
    // Only a strong tag can be named, and held.
    if (named || matches!(case.doubt, Doubtful::UnderBase | Doubtful::UnderMerged)) && !tagged {
        return false;
    }
    if case.doubt == Doubtful::UnderMerged && !matches!(case.method, Method::PUT | Method::PATCH) {
        return false;
    }
    // Jobs bring no preconditions of their own and read nothing through the gateway.
    if case.check_first && (guarded || case.base != Base::Nothing) {
        return false;
    }
    if case.doubt == Doubtful::Creating && !(case.check_first && case.method == Method::PUT) {
        return false;
    }
    // A claim ahead matters where somebody waits in a lane.
    !(case.claim_ahead && (case.method == Method::POST || case.doubt != Doubtful::No))
}
