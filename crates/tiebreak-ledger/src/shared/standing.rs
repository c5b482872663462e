//! What became of a change that the database did not say it made: pure decisions over how the record stands now.

use tiebreak_core::record::{Fence, Record, State};

use super::change::Change;
use crate::{LedgerError, ResolvedBy};

/// A record as it stands, with what only the database knows of it.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The record.
    pub record: Record,
    /// Who has claimed it.
    pub owner: Option<i64>,
    /// Who ended the doubt about it.
    pub resolved_by: Option<ResolvedBy>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// It was made, and gave out this fence; its answer was lost.
    Granted(Fence),
    /// It was made; its answer was lost.
    Made,
    /// It was not made, and nothing about this write's own record stands against it.
    Free,
    /// It was not made.
    Refused(LedgerError),
}

/// What became of `change`, which was `tried` before if its answer was lost once. `ours` is the fence under which this process
/// knows the write. Only this owner can have claimed, amended or ended what it holds, so that what it finds changed the way it
/// asked for, it has changed itself.
pub(super) fn explain(
    change: &Change,
    tried: bool,
    owner: i64,
    ours: Option<Fence>,
    found: Option<&Standing>,
) -> Answer {
    let id = change.id();
    let Some(standing) = found else {
        return match change {
            Change::Claim(..) => Answer::Free,
            Change::Release(..) if tried => Answer::Made,
            _ => Answer::Refused(LedgerError::NotFound(id)),
        };
    };
    let record = &standing.record;
    let claimed_here = standing.owner == Some(owner) && record.state == State::Claimed;
    let differs = |fence: &Fence| match record.fence == *fence {
        true => Answer::Refused(LedgerError::NotFound(id)),
        false => Answer::Refused(LedgerError::Fenced(id)),
    };
    match change {
        Change::Claim(..) if tried && claimed_here => Answer::Granted(record.fence),
        Change::Claim(..) => Answer::Refused(LedgerError::Unavailable(format!("the id {id} was used before"))),
        Change::Retake(..) if tried && claimed_here && ours.is_none() => Answer::Granted(record.fence),
        Change::Retake(..) if matches!(record.state, State::InDoubt(_)) => Answer::Free,
        Change::Retake(..) => Answer::Refused(LedgerError::NotFound(id)),
        Change::Amend(_, fence, attempt, ..)
            if tried && claimed_here && record.fence > *fence && record.claim.attempt == *attempt =>
        {
            Answer::Granted(record.fence)
        }
        Change::Settle(_, fence, ..)
            if tried
                && record.fence == *fence
                && standing.resolved_by.is_none()
                && matches!(record.state, State::Settled(_)) =>
        {
            Answer::Made
        }
        Change::Doubt(_, fence, ..) if tried && record.fence == *fence && matches!(record.state, State::InDoubt(_)) => {
            Answer::Made
        }
        Change::Amend(_, fence, ..) | Change::Settle(_, fence, ..) => differs(fence),
        Change::Doubt(_, fence, ..) | Change::Release(_, fence, _) => differs(fence),
        Change::Resolve(_, with, _)
            if tried
                && standing.resolved_by == Some(with.1.by)
                && matches!(&record.state, State::Settled(s) if s.at == with.0.at && s.outcome == with.0.outcome) =>
        {
            Answer::Made
        }
        Change::Resolve(..) | Change::PutBack(..) | Change::Ask(..) | Change::Pass { .. } => {
            Answer::Refused(LedgerError::NotFound(id))
        }
    }
}
