//! What became of a write, as it is told to people and programs.

use std::fmt;

use crate::guarantee::Guarantee;
use crate::record::WriteId;
use crate::time::Time;
use crate::verdict::Class;

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The origin performed it.
    Applied,
    /// The origin took it (202) and has not performed it yet.
    Accepted,
    /// It was already there: the existing resource was read and equals what was asked.
    Adopted,
    /// The origin did not perform it, and said so.
    Refused,
    /// It was never sent.
    NotSent,
    /// Sent, and nobody can yet prove whether it was applied.
    InDoubt,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Outcome; 6] = [
        Outcome::Applied,
        Outcome::Accepted,
        Outcome::Adopted,
        Outcome::Refused,
        Outcome::NotSent,
        Outcome::InDoubt,
    ];

    /// The token used in the `Tiebreak` field, reports and records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Applied => "applied",
            Outcome::Accepted => "accepted",
            Outcome::Adopted => "adopted",
            Outcome::Refused => "refused",
            Outcome::NotSent => "not-sent",
            Outcome::InDoubt => "in-doubt",
        }
    }

    /// The outcome with this token.
    #[must_use]
    pub fn from_token(token: &str) -> Option<Outcome> {
        Outcome::ALL.into_iter().find(|o| o.as_str() == token)
    }
}

/// What the `Tiebreak` field of an answer says. Displayed as a structured field (RFC 9651):
/// `applied; attempts=2; guarantee=A; id="…"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What became of the write.
    pub outcome: Outcome,
    /// How often it was sent.
    pub attempts: u32,
    /// How strong the promise was.
    pub guarantee: Guarantee,
    /// The write's id in the ledger; that of its exchange alone, where it was refused before it was claimed.
    pub id: Option<WriteId>,
    /// The class of the verdict, where the write was not simply applied.
    pub class: Option<Class>,
    /// Whether it was merged into a version newer than the one the caller had read.
    pub rebased: bool,
    /// Whether no base guarded it, so that it may have overwritten another writer's change.
    pub unguarded: bool,
    /// Whether it was streamed past all that protects writes, since its content is over the bound.
    pub unprotected: bool,
    /// Until when the key is remembered; `None`: it has none, it is free again, or it is kept for ever.
    pub key_expires: Option<Time>,
}

impl Report {
    /// Of a write that was refused before anything was sent or claimed.
    #[must_use]
    pub fn unsent() -> Report {
        Report {
            outcome: Outcome::NotSent,
            attempts: 0,
            guarantee: Guarantee::D,
            id: None,
            class: None,
            rebased: false,
            unguarded: false,
            unprotected: false,
            key_expires: None,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}; attempts={}; guarantee={}",
            self.outcome.as_str(),
            self.attempts,
            self.guarantee.as_str()
        )?;
        if let Some(id) = self.id {
            write!(f, "; id=\"{id}\"")?;
        }
        if let Some(class) = self.class {
            write!(f, "; class={}", class.as_str())?;
        }
        if self.rebased {
            f.write_str("; rebased")?;
        }
        if self.unguarded {
            f.write_str("; unguarded")?;
        }
        if self.unprotected {
            f.write_str("; unprotected")?;
        }
        if let Some(at) = self.key_expires {
            // A date (RFC 9651 §3.3.7): seconds since 1970.
            write!(f, "; key-expires=@{}", at.0 / 1_000)?;
        }
        Ok(())
    }
}
