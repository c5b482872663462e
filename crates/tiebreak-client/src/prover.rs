//! Ends doubts from outside an exchange: by a look with the operator's credential, or because a person says so.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use tiebreak_core::delivery::Delivery;
use tiebreak_core::outcome::Outcome;
use tiebreak_core::proof::{Known, Proof, is_superseded, weigh};
use tiebreak_core::record::{Doubt, Record, Settlement, State, WriteId};
use tiebreak_core::request::Target;
use tiebreak_core::response::Response;
use tiebreak_core::time::Time;
use tiebreak_ledger::search::{Became, MAX_FOUND, Query};
use tiebreak_ledger::{Ledger, LedgerError, ResolvedBy};

use crate::engine::Engine;

/// At most so many pages of later writes are searched for one that rules a doubt out.
const PAGES: usize = 10;

/// Why a doubt could not be ended.
#[derive(Debug, thiserror::Error)]
pub enum DoubtError {
    /// The ledger knows no such write.
    #[error("find write {0}: the ledger has no record of it")]
    Unknown(WriteId),
    /// It is not in doubt.
    #[error("settle write {0}: it is not in doubt")]
    NotOpen(WriteId),
    /// The ledger could not do it.
    #[error(transparent)]
    Ledger(LedgerError),
}

/// The settlement that ends a doubt.
fn settlement(doubt: &Doubt, applied: bool, evidence: &str, at: Time) -> Settlement {
    Settlement {
        outcome: if applied { Outcome::Applied } else { Outcome::Refused },
        // The answer was never seen: a success without content, or no answer at all, which frees the key.
        status: if applied { 204 } else { 0 },
        fields: Vec::new(),
        content: Bytes::new(),
        truncated: false,
        class: None,
        evidence: evidence.to_owned(),
        guarantee: doubt.guarantee,
        attempts: doubt.attempts,
        at,
    }
}

/// Ends a doubt as *applied* or *not applied*. A repeat by its caller then gets a success without content, or is performed.
///
/// # Errors
/// If there is no such doubt, or the ledger fails.
pub async fn settle(
    ledger: &dyn Ledger,
    id: WriteId,
    applied: bool,
    by: ResolvedBy,
    reason: &str,
    at: Time,
) -> Result<Record, DoubtError> {
    let (_, doubt) = open(ledger, id).await?;
    let word = if applied { "applied" } else { "not applied" };
    let evidence = match by {
        ResolvedBy::Person => format!("a person settled the doubt as {word}"),
        ResolvedBy::Proof => format!("proven to be {word}: {reason}"),
    };
    let settlement = settlement(&doubt, applied, &evidence, at);
    match ledger.resolve(id, settlement, by, reason.to_owned()).await {
        Ok(record) => Ok(record),
        Err(LedgerError::NotFound(id)) => Err(DoubtError::NotOpen(id)),
        Err(error) => Err(DoubtError::Ledger(error)),
    }
}

async fn open(ledger: &dyn Ledger, id: WriteId) -> Result<(Record, Doubt), DoubtError> {
    let record = ledger.get(id).await.map_err(DoubtError::Ledger)?;
    let record = record.ok_or(DoubtError::Unknown(id))?;
    match record.state {
        State::InDoubt(doubt) => Ok((record, doubt)),
        State::Claimed | State::Settled(_) => Err(DoubtError::NotOpen(id)),
    }
}

impl Engine {
    /// Tries to prove a doubt without its caller: from what other writes came to, and, with a `credential`, from a look at the
    /// target. What is proven is recorded.
    ///
    /// # Errors
    /// If there is no such doubt, or the ledger fails.
    pub async fn prove(&self, id: WriteId, credential: Option<&HeaderMap>) -> Result<Proof, DoubtError> {
        let ledger = &**self.ledger();
        let (record, doubt) = open(ledger, id).await?;
        let policy = &self.options().policy;
        let mut proof = Proof::Open(
            "no later write rules it out, and no prover credential is configured to look at its target: start the gateway with --prover-credential-file, have its caller repeat it, or settle it yourself",
        );
        if self.is_ruled_out(&record).await.map_err(DoubtError::Ledger)? {
            proof = Proof::NotApplied("another write was applied at the very version that it was to change");
        } else if let Some(credential) = credential {
            // Of what arrives while it is on its way, the look may say nothing.
            let now = self.clock().now();
            let read = self.look(&record, credential).await;
            let known = Known {
                etag: policy.etag,
                late_after: policy.late_after,
                now,
                read: read.as_ref(),
            };
            proof = weigh(&record, &doubt, known);
        }
        let (applied, why) = match proof {
            Proof::Applied(why) => (true, why),
            Proof::NotApplied(why) => (false, why),
            Proof::Open(_) => return Ok(proof),
        };
        settle(ledger, id, applied, ResolvedBy::Proof, why, self.clock().now()).await?;
        Ok(proof)
    }

    /// Whether a later write was applied at the version that this one was guarded by.
    async fn is_ruled_out(&self, record: &Record) -> Result<bool, LedgerError> {
        let query = Query {
            target: Some(record.claim.target.clone()),
            state: Some(Became::Outcome(Outcome::Applied)),
            ..Query::default()
        };
        let mut before = None;
        for _ in 0..PAGES {
            let found = self.ledger().search(query.clone(), before, MAX_FOUND).await?;
            let etag = self.options().policy.etag;
            if found.records.iter().any(|other| is_superseded(record, other, etag)) {
                return Ok(true);
            }
            before = found.next;
            if before.is_none() {
                break;
            }
        }
        Ok(false)
    }

    /// Reads the target as the operator. `None`: no answer.
    async fn look(&self, record: &Record, credential: &HeaderMap) -> Option<Response> {
        let target = Target::parse(&record.claim.target).ok()?;
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = target.uri().clone();
        *request.headers_mut() = credential.clone();
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        let options = self.options();
        let sent = self.transport().send(request, options.max_answer);
        match tokio::time::timeout(options.policy.attempt_timeout, sent).await {
            Ok(Delivery::Answered(response) | Delivery::Declined(response)) => Some(response),
            Ok(Delivery::NotSent(_) | Delivery::Unknown(_)) | Err(_) => None,
        }
    }
}
