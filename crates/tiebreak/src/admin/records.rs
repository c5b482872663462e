//! A record of the ledger as JSON: without content, and without what is concealed.

use serde_json::{Value, json};
use tiebreak_client::story::Conceal;
use tiebreak_core::record::{Record, State};
use tiebreak_ledger::{Resolution, ResolvedBy};

/// Fields whose values are URIs, which may be signed.
const URIS: [&str; 2] = ["location", "content-location"];

/// A record.
pub(crate) fn record(record: &Record, conceal: &Conceal) -> Value {
    let claim = &record.claim;
    let (mut settled, mut doubt) = (Value::Null, Value::Null);
    let state = match &record.state {
        State::Claimed => "claimed",
        State::Settled(s) => {
            let fields = s.fields.iter().map(|(name, value)| {
                let uri = URIS.contains(&name.as_str());
                json!([name, if uri { conceal.target(value) } else { value.clone() }])
            });
            settled = json!({
                "outcome": s.outcome.as_str(),
                "status": (s.status > 0).then_some(s.status),
                "class": s.class.map(|c| c.as_str()),
                "evidence": s.evidence,
                "guarantee": s.guarantee.as_str(),
                "attempts": s.attempts,
                "at": s.at.0,
                "fields": fields.collect::<Vec<_>>(),
                "bytes": s.content.len(),
            });
            "settled"
        }
        State::InDoubt(d) => {
            doubt = json!({
                "why": d.reason.why(),
                "attempts": d.attempts,
                "guarantee": d.guarantee.as_str(),
                "since": d.since.0,
            });
            "in-doubt"
        }
    };
    json!({
        "id": claim.id.to_string(),
        "state": state,
        "method": claim.method,
        "target": conceal.target(&claim.target),
        "at": claim.at.0,
        "anonymous": claim.caller.is_anonymous(),
        "keyed": claim.key.is_some(),
        "attempt": claim.attempt,
        "held": claim.held,
        "lanes": claim.lanes.iter().map(|l| conceal.target(&l.0)).collect::<Vec<_>>(),
        "expires": claim.expires.map(|t| t.0),
        "settled": settled,
        "doubt": doubt,
    })
}

/// Who ended a doubt, and why.
pub(crate) fn resolution(resolution: &Resolution) -> Value {
    let by = match resolution.by {
        ResolvedBy::Proof => "proof",
        ResolvedBy::Person => "person",
    };
    json!({ "by": by, "reason": resolution.reason })
}
