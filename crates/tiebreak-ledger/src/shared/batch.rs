//! Which changes go into one transaction.
//!
//! Within a transaction all endings are made before all claims, whatever the order in which they came. A batch therefore ends
//! before a change that depends on an earlier one of the same batch: one about the same write, or an ending that
//! concerns the key, or the caller and content, of a claim before it.

use std::collections::{HashMap, HashSet, VecDeque};

use tiebreak_core::fingerprint::Digest;
use tiebreak_core::record::{Claim, Fence, WriteId};

use super::change::{Change, Job};

/// What this process has claimed and not ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Open {
    pub(super) fence: Fence,
    /// Not known of a doubt that was taken up.
    pub(super) marks: Option<Marks>,
}

/// By what a claim can be in the way of another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marks {
    key: Option<Digest>,
    trace: Option<Digest>,
    same: Digest,
}

impl Marks {
    pub(super) fn of(claim: &Claim) -> Marks {
        Marks {
            key: claim.key.map(|k| k.0),
            trace: claim.trace.map(|t| t.digest),
            same: Digest::of(&[&claim.caller.0.0, &claim.fingerprint.0.0]),
        }
    }

    fn meets(&self, seen: &HashSet<Digest>) -> bool {
        let marks = [self.key, self.trace, Some(self.same)];
        marks.iter().flatten().any(|mark| seen.contains(mark))
    }
}

/// Takes from the front of `queue` what can be made in one transaction, at most `most`.
pub(super) fn take(queue: &mut VecDeque<Job>, open: &HashMap<WriteId, Open>, most: usize) -> Vec<Job> {
    let mut taken = Vec::new();
    let (mut ids, mut claimed) = (HashSet::new(), HashSet::new());
    while taken.len() < most {
        let Some(job) = queue.front() else { break };
        if job.alone {
            if taken.is_empty() {
                taken.extend(queue.pop_front());
            }
            break;
        }
        let (id, subject) = (job.change.id(), job.change.subject());
        let depends = ids.contains(&subject)
            || match &job.change {
                Change::Claim(..) | Change::Ask(..) | Change::Pass { .. } => false,
                _ if claimed.is_empty() => false,
                _ => open.get(&id).and_then(|o| o.marks).is_none_or(|m| m.meets(&claimed)),
            };
        if depends {
            break;
        }
        ids.insert(subject);
        if let Change::Claim(claim, _) = &job.change {
            let marks = Marks::of(claim);
            claimed.insert(marks.same);
            claimed.extend(marks.key);
            claimed.extend(marks.trace);
        }
        taken.extend(queue.pop_front());
    }
    taken
}

#[cfg(test)]
mod tests {
    use tiebreak_core::caller::CallerId;
    use tiebreak_core::fingerprint::Fingerprint;
    use tiebreak_core::key::KeyDigest;
    use tiebreak_core::time::Time;

    use super::*;

    fn claim(n: u8, key: u8) -> Claim {
        Claim {
            id: WriteId([n; 16]),
            key: Some(KeyDigest(Digest([key; 32]))),
            trace: None,
            caller: CallerId(Digest([n; 32])),
            fingerprint: Fingerprint(Digest([n; 32])),
            method: "PUT".into(),
            target: "/".into(),
            lanes: vec![],
            attempt: 1,
            held: None,
            at: Time(0),
            expires: None,
        }
    }

    fn claiming(n: u8, key: u8) -> Job {
        Job::new(Change::Claim(Box::new(claim(n, key)), None))
    }

    fn releasing(n: u8) -> Job {
        Job::new(Change::Release(WriteId([n; 16]), Fence(1), None))
    }

    fn sizes(jobs: Vec<Job>, open: &[(u8, u8)]) -> Vec<usize> {
        let open = open.iter().map(|(n, key)| {
            let claim = claim(*n, *key);
            let marks = Some(Marks::of(&claim));
            let fence = Fence(1);
            (claim.id, Open { fence, marks })
        });
        let (mut queue, open) = (VecDeque::from(jobs), open.collect());
        let mut sizes = Vec::new();
        while !queue.is_empty() {
            sizes.push(take(&mut queue, &open, 100).len());
        }
        sizes
    }

    #[test]
    fn what_is_independent_goes_together() {
        let jobs = vec![
            claiming(1, 1),
            releasing(7),
            claiming(2, 2),
            releasing(8),
            claiming(3, 2),
        ];
        assert_eq!(sizes(jobs, &[(7, 70), (8, 80)]), [5]);
    }

    #[test]
    fn an_ending_waits_for_a_claim_of_the_same_key_before_it() {
        assert_eq!(sizes(vec![claiming(1, 70), releasing(7)], &[(7, 70)]), [1, 1]);
        assert_eq!(sizes(vec![releasing(7), claiming(1, 70)], &[(7, 70)]), [2]);
    }

    #[test]
    fn what_is_not_known_waits_for_the_claims_before_it() {
        assert_eq!(sizes(vec![claiming(1, 1), releasing(7)], &[]), [1, 1]);
    }

    #[test]
    fn what_failed_in_a_batch_goes_by_itself() {
        let mut jobs = vec![
            claiming(1, 1),
            claiming(2, 2),
            releasing(7),
            releasing(8),
            claiming(3, 3),
        ];
        jobs[1].alone = true;
        jobs[2].alone = true;
        assert_eq!(sizes(jobs, &[(7, 70), (8, 80)]), [1, 1, 1, 2]);
    }

    #[test]
    fn two_changes_of_one_write_do_not_go_together() {
        assert_eq!(sizes(vec![releasing(7), releasing(7)], &[(7, 1)]), [1, 1]);
    }
}
