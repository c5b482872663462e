//! What a route allows and demands.

use std::time::Duration;

use http::HeaderName;

use crate::body_version::BodyVersion;
use crate::guarantee::Guarantee;
use crate::key::IDEMPOTENCY_KEY;
use crate::merge::{MergeRules, Representation};
use crate::natural_key::NaturalKey;
use crate::request::Target;
use crate::validator::{EntityTag, EtagKind};
use crate::virtual_tag::VirtualTags;

/// What is done with a resource that exists already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnDuplicate {
    /// Give the conflict to the caller.
    #[default]
    Stop,
    /// Take the existing resource, if it was read and equals what was asked.
    Adopt,
}

/// What is done with a write that was made against an old version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnStale {
    /// Merge where the base is known; the client's own precondition is honoured literally.
    #[default]
    Rebase,
    /// As `Rebase`, also where the client's own `If-Match` names the base.
    RebaseAlways,
    /// Give the conflict to the caller.
    Stop,
}

/// What is done with edits that overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnOverlap {
    /// Report them to the caller.
    #[default]
    Refuse,
    /// The caller's edit wins.
    Ours,
    /// The other writer's edit wins.
    Theirs,
}

/// Whether a write that no base guards may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unguarded {
    /// Yes; the answer says so.
    #[default]
    Allow,
    /// No: 428.
    Refuse,
}

/// How a write comes to its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyRule {
    /// Its client must send one.
    Required,
    /// Its client may send one.
    #[default]
    Accepted,
    /// As `Accepted`; without one, the same content from the same caller within [`KeyPolicy::window`] is the same write.
    Derived,
    /// What its client sends is the origin's business alone.
    Off,
}

/// What a route makes of idempotency keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPolicy {
    /// See [`KeyRule`].
    pub rule: KeyRule,
    /// How long a derived key is remembered.
    pub window: Duration,
    /// The field that carries the key, from the client and to the origin.
    pub field: HeaderName,
    /// The status that says: this key was used for another request.
    pub reuse_status: u16,
    /// The status that says: the first request with this key is still running.
    pub running_status: u16,
}

impl Default for KeyPolicy {
    fn default() -> KeyPolicy {
        KeyPolicy {
            rule: KeyRule::default(),
            window: Duration::from_secs(10),
            field: IDEMPOTENCY_KEY,
            reuse_status: 422,
            running_status: 409,
        }
    }
}

/// What a route allows and demands. The defaults are those of a route that nobody configured.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// See [`OnDuplicate`].
    pub on_duplicate: OnDuplicate,
    /// See [`OnStale`].
    pub on_stale: OnStale,
    /// How documents merge.
    pub merge: MergeRules,
    /// See [`Unguarded`].
    pub unguarded: Unguarded,
    /// What the origin's entity tags are worth.
    pub etag: EtagKind,
    /// Which tags we give to representations that have none.
    pub virtual_tags: VirtualTags,
    /// See [`KeyPolicy`].
    pub keys: KeyPolicy,
    /// Where the origin keeps versions, if in the content; set by [`Policy::with_body_version`].
    pub body_version: Option<BodyVersion>,
    /// What tells a resource apart that is created with POST, and how it is found.
    pub natural_key: Option<NaturalKey>,
    /// Whether a request without a key that repeats a running write joins it instead of being performed a second time.
    pub joins: bool,
    /// Whether the origin honours the key, so that the same key may be sent again.
    pub honours_keys: bool,
    /// For how long it does, counted from the claim; `None`: for ever. A doubt that is older is not sent again by its key.
    pub honours_keys_for: Option<Duration>,
    /// The weakest guarantee with which a write is sent.
    pub least: Guarantee,
    /// Whether a claim may be made before the write's turn comes: faster in a hot lane, at the price of a
    /// few more doubts after a crash.
    pub claim_ahead: bool,
    /// At most so many attempts for one write.
    pub attempts: u32,
    /// How long an exchange may take before it gives the last conflict to its caller.
    pub patience: Duration,
    /// How long one attempt may take.
    pub attempt_timeout: Duration,
    /// The shortest and the longest step of the backoff (full jitter is applied to each).
    pub backoff: (Duration, Duration),
    /// How long we reckon with a request that applies after we stopped waiting for it.
    pub late_after: Duration,
    /// How long a settled write with a key is remembered; `None`: for ever.
    pub remember: Option<Duration>,
    /// At most so many bytes of an answer are kept for replay.
    pub keep_content: usize,
    /// Content over so many bytes, which nothing protects from a lost answer, is sent with `Expect: 100-continue`.
    pub expect_over: usize,
    /// Whether the monitor of an operation that the origin has accepted (202) is followed to its end, within the patience.
    pub follow_202: bool,
    /// Whether a bot check is handed to a person at a real browser.
    pub hand_off: bool,
    /// How long that person may take.
    pub hand_off_wait: Duration,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            on_duplicate: OnDuplicate::default(),
            on_stale: OnStale::default(),
            merge: MergeRules::default(),
            unguarded: Unguarded::default(),
            etag: EtagKind::default(),
            virtual_tags: VirtualTags::default(),
            keys: KeyPolicy::default(),
            body_version: None,
            natural_key: None,
            joins: true,
            honours_keys: false,
            honours_keys_for: Some(Duration::from_secs(24 * 60 * 60)),
            least: Guarantee::D,
            claim_ahead: true,
            attempts: 12,
            patience: Duration::from_secs(30),
            attempt_timeout: Duration::from_secs(30),
            backoff: (Duration::from_millis(50), Duration::from_secs(5)),
            late_after: Duration::from_secs(10),
            remember: Some(Duration::from_secs(24 * 60 * 60)),
            keep_content: 256 * 1024,
            expect_over: 1024 * 1024,
            follow_202: false,
            hand_off: false,
            hand_off_wait: Duration::from_secs(5 * 60),
        }
    }
}

impl Policy {
    /// This policy for an origin that keeps versions in the content: there they are no edits, but what guards.
    #[must_use]
    pub fn with_body_version(mut self, version: BodyVersion) -> Policy {
        self.merge = self.merge.with_version_at(version.at.clone());
        self.body_version = Some(version);
        self
    }

    /// The tag by which what was served is known: its version, wherever the origin keeps it.
    #[must_use]
    pub fn tag_of(&self, etag: Option<EntityTag>, content: Option<&Representation>) -> Option<EntityTag> {
        match (&self.body_version, content) {
            (Some(version), Some(content)) => version.of(content),
            _ => etag,
        }
    }

    /// Whether representations without a tag of their origin are given one.
    #[must_use]
    pub fn gives_tags(&self) -> bool {
        self.virtual_tags != VirtualTags::Off && self.body_version.is_none()
    }

    /// The tag that we give to a representation that has none of its origin; it has no content coding.
    #[must_use]
    pub fn virtual_tag(&self, representation: &Representation) -> Option<EntityTag> {
        self.virtual_tags
            .of(representation, &self.merge)
            .filter(|_| self.gives_tags())
    }

    /// What `target` is about: without a version that it names in its query.
    #[must_use]
    pub fn resource(&self, target: &Target) -> Target {
        self.body_version
            .as_ref()
            .map_or_else(|| target.clone(), |v| v.resource(target))
    }
}
