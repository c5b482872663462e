//! Doubts as text for people.

use std::fmt::Write;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;

/// Text from a record on one line: what others wrote must not be able to steer the terminal.
fn plain(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// A time, as HTTP writes it.
fn time(ms: &Value) -> String {
    let at = ms
        .as_u64()
        .and_then(|ms| UNIX_EPOCH.checked_add(Duration::from_millis(ms)));
    at.map_or_else(|| "unknown".into(), httpdate::fmt_http_date)
}

/// `tiebreak doubts list`.
pub(super) fn list(told: &Value) -> String {
    let doubts = told["doubts"].as_array().map(Vec::as_slice).unwrap_or_default();
    if doubts.is_empty() {
        return "No write is in doubt.\n".into();
    }
    let mut out = String::new();
    for record in doubts {
        let doubt = &record["doubt"];
        let _ = writeln!(
            out,
            "{}  {} {}",
            plain(&record["id"]),
            plain(&record["method"]),
            plain(&record["target"])
        );
        let _ = writeln!(out, "    since {}: {}", time(&doubt["since"]), plain(&doubt["why"]));
    }
    let _ = writeln!(out, "{} in doubt in all.", told["open"]);
    if !told["next"].is_null() {
        let _ = writeln!(out, "More: tiebreak doubts list --after {}", plain(&told["next"]));
    }
    let _ = writeln!(
        out,
        "Next: tiebreak doubts prove ID, or settle ID --as applied|not-applied --reason TEXT"
    );
    out
}

/// `tiebreak doubts show`.
pub(super) fn write(told: &Value) -> String {
    let record = &told["record"];
    let mut out = String::new();
    if record.is_null() {
        let _ = writeln!(
            out,
            "The ledger has no record of this write; this is what memory holds of it."
        );
    } else {
        let _ = writeln!(out, "{} {}", plain(&record["method"]), plain(&record["target"]));
        let _ = writeln!(out, "  id       {}", plain(&record["id"]));
        let _ = writeln!(out, "  state    {}", plain(&record["state"]));
        let _ = writeln!(out, "  claimed  {}, attempt {}", time(&record["at"]), record["attempt"]);
        if !record["held"].is_null() {
            let _ = writeln!(out, "  guarded  {}", plain(&record["held"]));
        }
        let key = if record["keyed"] == true {
            "has an idempotency key"
        } else {
            "has no idempotency key"
        };
        let _ = writeln!(out, "  caller   {key}");
    }
    if let Some(doubt) = Some(&record["doubt"]).filter(|d| !d.is_null()) {
        let _ = writeln!(
            out,
            "  in doubt since {}: {}",
            time(&doubt["since"]),
            plain(&doubt["why"])
        );
    }
    if let Some(settled) = Some(&record["settled"]).filter(|s| !s.is_null()) {
        let _ = writeln!(
            out,
            "  settled  {}, {}",
            plain(&settled["outcome"]),
            time(&settled["at"])
        );
        if settled["evidence"].as_str().is_some_and(|e| !e.is_empty()) {
            let _ = writeln!(out, "  because  {}", plain(&settled["evidence"]));
        }
    }
    if let Some(resolution) = Some(&told["resolution"]).filter(|r| !r.is_null()) {
        let _ = writeln!(
            out,
            "  ended by {}: {}",
            plain(&resolution["by"]),
            plain(&resolution["reason"])
        );
    }
    let story = &told["story"];
    if story.is_null() {
        let _ = writeln!(out, "  Its story is not in memory any more; only the record is left.");
    } else {
        let _ = writeln!(out, "  What happened (ms since it came):");
        for event in story["events"].as_array().into_iter().flatten() {
            let _ = writeln!(out, "  {:>8}  {}", event["ms"], plain(&event["text"]));
        }
    }
    out
}

/// `tiebreak doubts prove`.
pub(super) fn proof(told: &Value) -> String {
    let why = plain(&told["why"]);
    match told["proof"].as_str() {
        Some("applied") => format!("It was applied: {why}.\nThat is recorded; a repeat with its key gets a success.\n"),
        Some("not-applied") => format!("It was not applied: {why}.\nThat is recorded; a repeat is performed.\n"),
        _ => format!("It is still in doubt: {why}.\n"),
    }
}

/// `tiebreak doubts settle`.
pub(super) fn settled(told: &Value, applied: bool) -> String {
    let reason = plain(&told["resolution"]["reason"]);
    if applied {
        format!("Settled as applied ({reason}).\nA repeat with its key gets a success without content.\n")
    } else {
        format!("Settled as not applied ({reason}).\nIts key is free; a repeat is performed.\n")
    }
}
