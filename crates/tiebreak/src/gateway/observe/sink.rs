//! Where findings go, and the summary at the end.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde_json::json;

use super::finding::{Finding, Would};
use crate::exit::{FAILED, Failure};

/// Where findings go.
#[derive(Debug)]
pub(in super::super) struct Sink {
    /// The file; `None`: standard error.
    file: Option<Mutex<File>>,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    writes: u64,
    /// Why writes could not be observed, and how many.
    unobserved: BTreeMap<&'static str, u64>,
    would: BTreeMap<Would, u64>,
    as_it_came: u64,
    classes: BTreeMap<&'static str, u64>,
    /// Findings that could not be written.
    unwritten: u64,
}

impl Sink {
    /// Appends to `file`, or writes to standard error.
    pub(in super::super) fn open(file: Option<&Path>) -> Result<Sink, Failure> {
        let open = |path: &Path| {
            let file = File::options().create(true).append(true).open(path);
            file.map_err(|e| Failure::new(FAILED, format!("open {} for what is observed: {e}", path.display())))
        };
        Ok(Sink {
            file: file.map(open).transpose()?.map(Mutex::new),
            counts: Mutex::default(),
        })
    }

    /// One write, and what would have been done with it.
    pub(super) fn take(&self, finding: &Finding) {
        let written = self.line(|| finding.json(), || finding.told());
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.writes += 1;
        counts.unwritten += u64::from(!written);
        counts.as_it_came += u64::from(finding.would.is_empty());
        for would in &finding.would {
            *counts.would.entry(*would).or_default() += 1;
        }
        if let Some(class) = finding.class {
            *counts.classes.entry(class).or_default() += 1;
        }
    }

    /// A write that was forwarded without being observed.
    pub(super) fn unobserved(&self, why: &'static str) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.writes += 1;
        *counts.unobserved.entry(why).or_default() += 1;
    }

    /// Writes one line; whether that succeeded.
    fn line(&self, json: impl FnOnce() -> String, told: impl FnOnce() -> String) -> bool {
        match &self.file {
            Some(file) => {
                let mut line = json();
                line.push('\n');
                // One write for each line, so that whoever follows the file sees whole lines.
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.write_all(line.as_bytes()).is_ok()
            }
            None => writeln!(std::io::stderr(), "tiebreak: {}", told()).is_ok(),
        }
    }

    /// What was observed, at the end.
    pub(in super::super) fn summary(&self) {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let told = counts.told();
        let _closed = std::io::stderr().write_all(told.as_bytes());
        if let Some(file) = &self.file {
            let would: BTreeMap<&str, u64> = counts.would.iter().map(|(would, n)| (would.token(), *n)).collect();
            let line = json!({"summary": {
                "writes": counts.writes,
                "as-it-came": counts.as_it_came,
                "would": would,
                "classes": counts.classes,
                "unobserved": counts.unobserved,
                "unwritten": counts.unwritten,
            }});
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            let _full = writeln!(file, "{line}");
        }
    }
}

impl Counts {
    fn told(&self) -> String {
        let mut out = format!(
            "tiebreak: {} writes were forwarded as they came; of these, Tiebreak would have\n",
            self.writes
        );
        let mut line = |n: u64, what: &str| {
            let _ = writeln!(out, "tiebreak: {n:>8}  {what}");
        };
        line(self.as_it_came, "sent as they came");
        for (would, _, means) in Would::ALL {
            if let Some(n) = self.would.get(&would) {
                line(*n, means);
            }
        }
        for (why, n) in &self.unobserved {
            line(*n, &format!("(not observed: {why})"));
        }
        if self.unwritten > 0 {
            line(self.unwritten, "(counted, but the report of them could not be written)");
        }
        if !self.classes.is_empty() {
            let classes: Vec<String> = self.classes.iter().map(|(class, n)| format!("{class} {n}")).collect();
            let _ = writeln!(
                out,
                "tiebreak: what the origin's refusals meant: {}",
                classes.join(", ")
            );
        }
        out
    }
}
