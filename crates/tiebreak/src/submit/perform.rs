//! One entry through the engine, under a ledger key that a later run finds again.

use std::sync::Arc;

use http::HeaderMap;
use tiebreak_client::{Answer, Engine, Submission};
use tiebreak_core::caller::CallerId;
use tiebreak_core::fingerprint::{Digest, Fingerprint};
use tiebreak_core::key::{IdempotencyKey, KeyDigest};
use tiebreak_core::outcome::Outcome;
use tiebreak_core::policy::{OnStale, Policy};
use tiebreak_core::problem::Kind;
use tiebreak_core::record::{Record, Sought, State};
use tiebreak_core::request::WriteRequest;

use super::entry::{Digests, Entry, Name};
use super::outcome::{LineResult, Reached, reached};
use super::place::EMBEDDED;

/// How often one line may be sent anew after it was refused and corrected.
const GENERATIONS: u32 = 1000;

/// Sends entries.
#[derive(Debug)]
pub(super) struct Performer {
    pub(super) engine: Engine,
    /// The fields that go with every request.
    pub(super) own: HeaderMap,
    /// For the embedded origin.
    pub(super) embedded: Policy,
    /// For every other target.
    pub(super) remote: Policy,
    /// The job: where its writes go.
    pub(super) identity: String,
    /// Whether each line is a submission of its own.
    pub(super) each: bool,
    /// Whether what was refused in an earlier run is sent once more.
    pub(super) again: bool,
}

impl Performer {
    /// Sends `entry`, or finds what an earlier run came to.
    pub(super) async fn perform(&self, entry: &Entry, digests: &Digests) -> (LineResult, Reached) {
        let caller = self.caller(entry);
        let mut generation = 0;
        let answer = loop {
            let key = self.key(entry, digests, generation);
            let answer = Box::pin(self.write(entry, caller, key)).await;
            if generation < GENERATIONS && self.goes_on(entry, digests, caller, generation, &answer).await {
                generation += 1;
                continue;
            }
            break answer;
        };
        let evidence = self.evidence(&answer).await;
        (LineResult::answered(entry, &answer, evidence), reached(&answer))
    }

    async fn write(&self, entry: &Entry, caller: CallerId, key: IdempotencyKey) -> Answer {
        let embedded = entry.target.as_str().starts_with(EMBEDDED);
        let mut policy = if embedded {
            self.embedded.clone()
        } else {
            self.remote.clone()
        };
        if entry.base.is_some() {
            // Who sends the base along wants to be merged, whatever version he names.
            policy.on_stale = OnStale::RebaseAlways;
        }
        let submission = Submission {
            caller: Some(caller),
            key: Some(key),
            policy: Some(Arc::new(policy)),
            base: entry.base.clone(),
            check_first: true,
            ..Submission::default()
        };
        self.engine.write(self.request(entry), submission).await
    }

    fn request(&self, entry: &Entry) -> WriteRequest {
        entry.request(&self.own)
    }

    /// The job is the caller, whatever credential it carries today: a rerun with a renewed token goes on. With
    /// `--each` every line is, so that lines with the same content are never taken for each other.
    fn caller(&self, entry: &Entry) -> CallerId {
        let line = if self.each { entry.line } else { 0 };
        CallerId(Digest::of(&[b"submit", self.identity.as_bytes(), &line.to_be_bytes()]))
    }

    /// The key of the line in the ledger: its own key; else its record id with what is asked, so that a record that
    /// changed is a new submission; else all that it says.
    fn key(&self, entry: &Entry, digests: &Digests, generation: u32) -> IdempotencyKey {
        let own: Vec<Digest> = entry
            .names
            .iter()
            .filter(|n| matches!(n, Name::Key(_)))
            .map(Name::digest)
            .collect();
        let records: Vec<Digest> = entry.names.iter().map(Name::digest).collect();
        let named = match (own.is_empty(), records.is_empty()) {
            (false, _) => own,
            (true, false) => [records, vec![digests.asked]].concat(),
            (true, true) => vec![digests.whole],
        };
        let line = if self.each { entry.line } else { 0 };
        let (line, generation) = (line.to_be_bytes(), generation.to_be_bytes());
        let mut parts: Vec<&[u8]> = vec![&line, &generation];
        parts.extend(named.iter().map(|d| &d.0[..]));
        IdempotencyKey::new(Digest::of(&parts).to_string()).expect("64 digits are a key")
    }

    /// Whether the answer is that of an earlier submission under this key which was refused, and a later one
    /// follows: what the origin did not apply may be corrected and sent under the same name.
    async fn goes_on(
        &self,
        entry: &Entry,
        digests: &Digests,
        caller: CallerId,
        generation: u32,
        answer: &Answer,
    ) -> bool {
        let reused = answer.problem.as_ref().is_some_and(|p| p.kind() == Kind::KeyReuse);
        if reused {
            let record = self.look_up(entry, digests, caller, generation).await;
            return record.is_some_and(|r| refused(&r));
        }
        if !answer.replayed || answer.report.outcome != Outcome::Refused {
            return false;
        }
        self.again || self.look_up(entry, digests, caller, generation + 1).await.is_some()
    }

    async fn look_up(&self, entry: &Entry, digests: &Digests, caller: CallerId, generation: u32) -> Option<Record> {
        let key = self.key(entry, digests, generation);
        let scope = [entry.target.authority(), entry.method.as_str(), entry.target.path()];
        let digest = KeyDigest::of(caller, &key, &scope);
        // A fingerprint that nothing has: only the record with this key is asked for.
        let sought = Sought {
            key: Some(digest),
            trace: None,
            caller,
            fingerprint: Fingerprint(Digest([0; 32])),
        };
        let now = self.engine.clock().now();
        self.engine.ledger().look_up(sought, now).await.ok()?
    }

    /// Why an earlier run's write was refused.
    async fn evidence(&self, answer: &Answer) -> Option<String> {
        if !answer.replayed || answer.report.class.is_none() {
            return None;
        }
        let record = self.engine.ledger().get(answer.report.id?).await.ok()??;
        match record.state {
            State::Settled(settlement) => Some(settlement.evidence),
            State::Claimed | State::InDoubt(_) => None,
        }
    }
}

fn refused(record: &Record) -> bool {
    matches!(&record.state, State::Settled(s) if s.outcome == Outcome::Refused)
}
