//! Our own answers as problem details (RFC 9457).

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::verdict::Class;

/// Where the pages about problem types are; each type is `{BASE}{slug}`.
pub const BASE: &str = "https://tiebreak.dev/problems/";

/// The media type of problem details.
pub const MEDIA_TYPE: &str = "application/problem+json";

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $status:literal, $slug:literal, $title:literal;)*) => {
        /// Every problem that Tiebreak itself answers with.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind { $($(#[$doc])* $name,)* }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Kind] = &[$(Kind::$name,)*];

            /// The usual status code.
            #[must_use]
            pub fn status(self) -> u16 { match self { $(Kind::$name => $status,)* } }

            /// The last segment of the type URI, and the name of its page in `docs/problems/`.
            #[must_use]
            pub fn slug(self) -> &'static str { match self { $(Kind::$name => $slug,)* } }

            /// The title, which never varies.
            #[must_use]
            pub fn title(self) -> &'static str { match self { $(Kind::$name => $title,)* } }
        }
    };
}

kinds! {
    /// The edits overlap with another writer's.
    Overlap = 409, "overlap", "Your change overlaps with another one";
    /// It cannot be told which version the caller edited.
    BaseUnknown = 409, "base-unknown", "It is not known which version you edited";
    /// The resource was changed since the version that was named.
    Stale = 409, "stale", "The resource was changed since you read it";
    /// It exists already.
    Duplicate = 409, "duplicate", "It exists already";
    /// The first request with this key is still running.
    InProgress = 409, "in-progress", "The first request with this key is still running";
    /// The same key and content came with another credential.
    CallerChanged = 409, "caller-changed", "This key was used with another credential";
    /// The key was used for another request.
    KeyReuse = 422, "key-reuse", "This key was used for another request";
    /// The idempotency key is malformed.
    KeyInvalid = 400, "key-invalid", "The idempotency key is malformed";
    /// An idempotency key is required here.
    KeyMissing = 400, "key-missing", "An idempotency key is required here";
    /// A precondition is required here.
    PreconditionRequired = 428, "precondition-required", "A precondition is required here";
    /// A precondition failed.
    PreconditionFailed = 412, "precondition-failed", "A precondition failed";
    /// A patch presumes another state than the current one.
    PatchConflict = 409, "patch-conflict", "The patch does not fit the current state";
    /// The content does not fit.
    Invalid = 422, "invalid", "The content is not valid";
    /// The request is malformed.
    BadRequest = 400, "bad-request", "The request is malformed";
    /// There is no such resource.
    NotFound = 404, "not-found", "There is no such resource";
    /// The method is not allowed here.
    MethodNotAllowed = 405, "method-not-allowed", "The method is not allowed here";
    /// The media type is not supported here.
    UnsupportedMediaType = 415, "unsupported-media-type", "The media type is not supported here";
    /// The content is too large.
    TooLarge = 413, "too-large", "The content is too large";
    /// The head of the request is too large.
    HeadTooLarge = 431, "head-too-large", "The head of the request is too large";
    /// The request came too slowly.
    TooSlow = 408, "too-slow", "The request came too slowly";
    /// Something was asked for that the gateway does not do.
    NotSupported = 501, "not-supported", "This is not done here";
    /// The guarantee demanded cannot be given.
    GuaranteeTooWeak = 412, "guarantee-too-weak", "The guarantee that is demanded cannot be given";
    /// The write has no base, and this gateway refuses such writes.
    Unguarded = 428, "unguarded", "This write names no version";
    /// It is not known whether the write was applied.
    InDoubt = 504, "in-doubt", "It is not known whether this write was applied";
    /// The origin could not be reached; nothing was sent.
    OriginUnreachable = 502, "origin-unreachable", "The origin cannot be reached";
    /// The origin's answer cannot be passed on.
    BadAnswer = 502, "bad-answer", "The origin's answer cannot be passed on";
    /// The origin did not answer a read in time.
    OriginTimeout = 504, "origin-timeout", "The origin did not answer in time";
    /// The ledger cannot record the write, so it was not sent.
    LedgerUnavailable = 503, "ledger-unavailable", "The write cannot be recorded, so it was not sent";
    /// The embedded origin's store cannot take or give something.
    StoreUnavailable = 503, "store-unavailable", "The store is not available";
    /// Too many writes wait already.
    Busy = 503, "busy", "Too many writes wait already";
    /// The conflict lasted longer than the time allowed.
    StillBusy = 409, "still-busy", "The conflict lasted longer than the time allowed";
    /// What the origin had accepted has failed.
    OperationFailed = 409, "operation-failed", "The origin accepted this write and did not complete it";
    /// A bot check was not passed.
    Blocked = 403, "blocked", "A bot check stands before the API";
    /// The gateway is stopping.
    Stopping = 503, "stopping", "Tiebreak is stopping";
}

impl Kind {
    /// The kind of the problem type `uri`, if it is one of ours.
    #[must_use]
    pub fn from_type(uri: &str) -> Option<Kind> {
        let slug = uri.strip_prefix(BASE)?;
        Kind::ALL.iter().copied().find(|kind| kind.slug() == slug)
    }

    /// What such an answer means to whoever gets it: a gateway in front of a gateway reads it by this, not by its words.
    #[must_use]
    pub fn class(self) -> Class {
        match self {
            Kind::Overlap | Kind::BaseUnknown | Kind::Stale | Kind::PreconditionFailed => Class::Stale,
            Kind::Duplicate => Class::Duplicate,
            Kind::InProgress => Class::InProgress,
            Kind::CallerChanged | Kind::KeyReuse => Class::KeyReuse,
            Kind::StillBusy => Class::Race,
            Kind::PatchConflict | Kind::OperationFailed => Class::State,
            Kind::Blocked => Class::Blocked,
            Kind::KeyInvalid
            | Kind::KeyMissing
            | Kind::PreconditionRequired
            | Kind::Unguarded
            | Kind::Invalid
            | Kind::BadRequest
            | Kind::UnsupportedMediaType
            | Kind::TooLarge
            | Kind::HeadTooLarge => Class::Invalid,
            Kind::NotFound
            | Kind::MethodNotAllowed
            | Kind::GuaranteeTooWeak
            | Kind::InDoubt
            | Kind::OriginUnreachable
            | Kind::BadAnswer
            | Kind::OriginTimeout
            | Kind::LedgerUnavailable
            | Kind::StoreUnavailable
            | Kind::Busy
            | Kind::TooSlow
            | Kind::NotSupported
            | Kind::Stopping => Class::Other,
        }
    }

    /// The class, where it is one of a conflict.
    #[must_use]
    pub fn conflict(self) -> Option<Class> {
        Some(self.class()).filter(|class| *class != Class::Other)
    }

    /// Whether such an answer says that nothing was sent or written. A doubt never does.
    #[must_use]
    pub fn proves_refusal(self) -> bool {
        match self {
            Kind::OriginUnreachable
            | Kind::LedgerUnavailable
            | Kind::Busy
            | Kind::TooSlow
            | Kind::NotSupported
            | Kind::Stopping => true,
            // These are answers to the write itself; their status says that it was refused.
            Kind::Overlap
            | Kind::BaseUnknown
            | Kind::Stale
            | Kind::Duplicate
            | Kind::InProgress
            | Kind::CallerChanged
            | Kind::KeyReuse
            | Kind::KeyInvalid
            | Kind::KeyMissing
            | Kind::PreconditionRequired
            | Kind::PreconditionFailed
            | Kind::PatchConflict
            | Kind::OperationFailed
            | Kind::Invalid
            | Kind::BadRequest
            | Kind::NotFound
            | Kind::MethodNotAllowed
            | Kind::UnsupportedMediaType
            | Kind::TooLarge
            | Kind::HeadTooLarge
            | Kind::GuaranteeTooWeak
            | Kind::Unguarded
            | Kind::Blocked
            | Kind::StillBusy => false,
            // It may have been applied.
            Kind::InDoubt | Kind::BadAnswer | Kind::OriginTimeout | Kind::StoreUnavailable => false,
        }
    }
}

/// A problem document.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    kind: Kind,
    status: u16,
    detail: String,
    members: Map<String, Value>,
}

impl Problem {
    /// A problem of `kind`; `detail` says what happened and what to do, in plain words.
    #[must_use]
    pub fn new(kind: Kind, detail: impl Into<String>) -> Problem {
        Problem {
            kind,
            status: kind.status(),
            detail: detail.into(),
            members: Map::new(),
        }
    }

    /// The same with another status code.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Problem {
        self.status = status;
        self
    }

    /// The same with an extension member.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Problem {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// What happened, in words.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// An extension member.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Value> {
        self.members.get(name)
    }

    /// The document.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut document = json!({
            "type": format!("{BASE}{}", self.kind.slug()),
            "title": self.kind.title(),
            "status": self.status,
            "detail": self.detail,
        });
        if let Value::Object(map) = &mut document {
            map.extend(self.members.clone());
        }
        document
    }

    /// The document as content.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut text = self.to_json().to_string();
        text.push('\n');
        Bytes::from(text)
    }
}
