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
    /// It was not made: the claim has this fence now, given out to an amendment of this process whose answer was lost.
    Under(Fence),
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
        // Whoever amended it was told that this is not known, and goes by the fence before.
        false if claimed_here && ours == Some(*fence) && record.fence > *fence => Answer::Under(record.fence),
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

#[cfg(test)]
mod tests {
    use tiebreak_core::caller::CallerId;
    use tiebreak_core::fingerprint::{Digest, Fingerprint};
    use tiebreak_core::record::{Claim, WriteId};
    use tiebreak_core::time::Time;

    use super::*;

    const ID: WriteId = WriteId([1; 16]);

    /// It is claimed by process 7 under this fence.
    fn claimed(fence: u64) -> Standing {
        let claim = Claim {
            id: ID,
            key: None,
            trace: None,
            caller: CallerId(Digest([1; 32])),
            fingerprint: Fingerprint(Digest([1; 32])),
            method: "PUT".into(),
            target: "/".into(),
            lanes: vec![],
            attempt: 2,
            held: None,
            at: Time(0),
            expires: None,
        };
        let record = Record {
            claim,
            fence: Fence(fence),
            state: State::Claimed,
        };
        Standing {
            record,
            owner: Some(7),
            resolved_by: None,
        }
    }

    /// Else the claim would be open for as long as its process lives.
    #[test]
    fn what_an_amendment_of_which_nobody_heard_did_is_taken_into_account() {
        let release = Change::Release(ID, Fence(3), None);
        let ours = Some(Fence(3));
        let under = explain(&release, false, 7, ours, Some(&claimed(4)));
        assert_eq!(under, Answer::Under(Fence(4)));
    }

    #[test]
    fn an_old_fence_changes_nothing() {
        let release = Change::Release(ID, Fence(3), None);
        let fenced = Answer::Refused(LedgerError::Fenced(ID));
        let heard = Some(Fence(4));
        assert_eq!(explain(&release, false, 7, heard, Some(&claimed(4))), fenced);
        assert_eq!(explain(&release, false, 7, None, Some(&claimed(4))), fenced);
        let ours = Some(Fence(3));
        assert_eq!(
            explain(&release, false, 8, ours, Some(&claimed(4))),
            fenced,
            "another process has it"
        );
    }
}
