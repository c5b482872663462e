//! The end of a run: `results.ndjson`, the table, and the lines that need a person.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::dispatch::Tally;
use super::notes::{NoteError, Notes};
use super::outcome::{Came, LineResult, kind_of};
use super::place::EMBEDDED;

/// So many lines that need a person are told on the terminal; all are in the file.
const TOLD: usize = 10;

/// Why the results could not be written; completes "failed to …".
#[derive(Debug, thiserror::Error)]
pub(super) enum ReportError {
    #[error("write the results to {0}: {1}; what was sent is in the ledger, run the same command again")]
    Write(PathBuf, std::io::Error),
    #[error(transparent)]
    Notes(#[from] NoteError),
}

/// Writes all results to `path`: under another name until they are whole, so that whoever finds the file finds all of
/// it. Returns the first lines that need a person.
pub(super) fn write(notes: &Notes, path: &Path) -> Result<Vec<LineResult>, ReportError> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let fail = |error| ReportError::Write(path.to_owned(), error);
    let mut out = BufWriter::with_capacity(1 << 16, File::create(&partial).map_err(fail)?);
    let mut open = Vec::new();
    notes.results(|result| {
        if !result.outcome.landed() && open.len() < TOLD {
            open.push(result.clone());
        }
        serde_json::to_writer(&mut out, result).map_err(|error| fail(error.into()))?;
        out.write_all(b"\n").map_err(fail)
    })?;
    let file = out.into_inner().map_err(|error| fail(error.into_error()))?;
    file.sync_all().map_err(fail)?;
    std::fs::rename(&partial, path).map_err(fail)?;
    Ok(open)
}

/// The table.
pub(super) fn table(tally: &Tally) -> String {
    let mut rows: Vec<(&str, u64)> = Vec::new();
    for came in Came::ALL {
        let (count, always) = (tally.of(came), true);
        let row = match came {
            Came::Created => ("created", always),
            Came::Updated => ("updated", always),
            Came::Deleted => ("deleted", false),
            Came::Applied => ("performed", false),
            Came::Accepted => ("accepted, not finished", false),
            Came::AlreadyThere => ("already there", always),
            Came::Duplicate => ("duplicates collapsed", always),
            Came::NeedsYou => {
                rows.push(("rebased (among the above)", tally.rebased));
                ("need you", always)
            }
            Came::Invalid => ("  not valid", false),
            Came::Malformed => ("  malformed", false),
            Came::InDoubt => ("in doubt", always),
            Came::NotSent => ("not sent, next run", false),
        };
        let count = if came == Came::NeedsYou { needs(tally) } else { count };
        if row.1 || count > 0 {
            rows.push((row.0, count));
        }
    }
    let mut text = String::new();
    for (name, count) in rows {
        text.push_str(&format!("  {name:<26} {count:>10}\n"));
    }
    if tally.earlier > 0 {
        text.push_str(&format!(
            "  {:<26} {:>10}\n",
            "(landed in an earlier run)", tally.earlier
        ));
    }
    text
}

/// How many lines need a person.
pub(super) fn needs(tally: &Tally) -> u64 {
    tally.of(Came::NeedsYou) + tally.of(Came::Invalid) + tally.of(Came::Malformed)
}

/// One line that needs a person, in plain words.
pub(super) fn told(result: &LineResult) -> String {
    let what = match (&result.method, &result.target) {
        (Some(method), Some(target)) => format!("{method} {target}: "),
        _ => String::new(),
    };
    let kind = match result.outcome {
        Came::Malformed => "malformed",
        Came::Invalid => "not valid",
        Came::InDoubt => "in doubt",
        Came::NotSent => "not sent",
        _ => match result.problem.as_ref().and_then(kind_of) {
            Some(kind) => kind.slug(),
            None => result.class.as_deref().unwrap_or("refused"),
        },
    };
    let why = match result.outcome {
        // What to do about doubts is said once, below.
        Came::InDoubt => result.evidence.split(';').next().unwrap_or_default().to_owned(),
        _ => fields(result).unwrap_or_else(|| result.evidence.clone()),
    };
    format!("  line {}: {what}{kind}: {}", result.line, printable(&why))
}

/// The fields that overlap, or are not valid.
fn fields(result: &LineResult) -> Option<String> {
    let problem = result.problem.as_ref()?;
    let member =
        |item: &serde_json::Value, name: &str| item.get(name).map_or_else(|| "nothing".to_owned(), ToString::to_string);
    if let Some(conflicts) = problem.get("conflicts").and_then(serde_json::Value::as_array) {
        let told: Vec<String> = conflicts
            .iter()
            .filter_map(|c| {
                let pointer = c.get("pointer")?.as_str()?;
                Some(format!(
                    "{pointer} was {}, is {} now, this line wants {}",
                    member(c, "base"),
                    member(c, "theirs"),
                    member(c, "ours")
                ))
            })
            .collect();
        return (!told.is_empty()).then(|| told.join("; "));
    }
    let errors = problem.get("errors")?.as_array()?;
    let told: Vec<String> = errors
        .iter()
        .filter_map(|e| {
            // A pointer as a fragment (RFC 6901 §6), as the problem documents of RFC 9457 have it.
            let pointer = e.get("pointer")?.as_str()?.trim_start_matches('#');
            let detail = e.get("detail")?.as_str()?;
            Some(format!("{pointer} {detail}").trim().to_owned())
        })
        .collect();
    (!told.is_empty()).then(|| told.join("; "))
}

/// The answer of a target may hold anything; a terminal gets one line of it, without control characters.
fn printable(text: &str) -> String {
    const LONGEST: usize = 200;
    let clean: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LONGEST)
        .collect();
    if text.chars().nth(LONGEST).is_some() {
        format!("{clean}…")
    } else {
        clean
    }
}

/// A target as it is told: at the embedded origin only its path.
pub(super) fn shown_target(target: &str) -> &str {
    target.strip_prefix(EMBEDDED).unwrap_or(target)
}
