//! Records as lines of JSON, without what is secret: no keys, no callers, no contents.

use std::io::Write;
use std::sync::Arc;

use serde_json::{Value, json};
use tiebreak_core::record::{Record, State};
use tiebreak_ledger::Ledger;

use super::each;
use crate::exit::{FAILED, Failure};

pub(super) async fn export(ledger: &Arc<dyn Ledger>) -> Result<(), Failure> {
    let mut out = std::io::BufWriter::new(std::io::stdout());
    let fail = |e: std::io::Error| Failure::new(FAILED, format!("write the output: {e}"));
    each(ledger, |records| {
        records
            .iter()
            .try_for_each(|record| writeln!(out, "{}", line(record)))
            .map_err(fail)
    })
    .await?;
    out.flush().map_err(fail)
}

fn line(record: &Record) -> Value {
    let claim = &record.claim;
    let lanes: Vec<&str> = claim.lanes.iter().map(|l| l.0.as_str()).collect();
    let (state, became) = match &record.state {
        State::Claimed => ("claimed", Value::Null),
        State::Settled(settled) => (
            "settled",
            json!({
                "outcome": settled.outcome.as_str(),
                "status": settled.status,
                "class": settled.class.map(tiebreak_core::verdict::Class::as_str),
                "evidence": settled.evidence,
                "guarantee": settled.guarantee.as_str(),
                "attempts": settled.attempts,
                "at": settled.at.0,
            }),
        ),
        State::InDoubt(doubt) => (
            "in-doubt",
            json!({
                "reason": doubt.reason.why(),
                "guarantee": doubt.guarantee.as_str(),
                "attempts": doubt.attempts,
                "since": doubt.since.0,
            }),
        ),
    };
    json!({
        "id": claim.id.to_string(),
        "state": state,
        "method": claim.method,
        "target": claim.target,
        "lanes": lanes,
        "attempt": claim.attempt,
        "held": claim.held,
        "fence": record.fence.0,
        "claimed_at": claim.at.0,
        "expires": claim.expires.map(|at| at.0),
        "became": became,
    })
}
