//! The monitor of an operation that an origin has accepted and goes on with (202, RFC 9110 §15.3.3): where it is, and what it says.

use http::StatusCode;
use serde_json::Value;

use crate::json::parse_strict;
use crate::request::Target;
use crate::response::Response;

/// Fields that name a monitor, the most telling first: Azure's and the Microsoft REST guidelines' name one that always speaks of
/// the operation, `Location` may name one that makes way for the result.
const NAMED_BY: [(&str, bool); 3] = [
    ("azure-asyncoperation", true),
    ("operation-location", true),
    ("location", false),
];

/// How deep a monitor's document may be nested.
const MAX_DEPTH: usize = 64;

/// Where to ask what became of an accepted write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Monitor {
    /// What is read.
    pub at: Target,
    /// Whether it speaks of the operation to the end, and never makes way for the result.
    pub is_document: bool,
}

/// What a monitor says of the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It goes on.
    Running,
    /// It has ended, and did what was asked.
    Succeeded,
    /// It has ended without having done that.
    Failed,
    /// That cannot be told from this answer.
    Unclear,
}

impl Monitor {
    /// The monitor that the answer to a write of `target` names, if it is at the same authority: nobody else is shown the caller's
    /// credentials.
    #[must_use]
    pub fn named_by(answer: &Response, target: &Target) -> Option<Monitor> {
        let (named, is_document) = NAMED_BY
            .iter()
            .find_map(|(field, is_document)| Some((answer.field(field)?, *is_document)))?;
        let at = target.refer(named).filter(|at| at.authority() == target.authority())?;
        Some(Monitor { at, is_document })
    }

    /// What this answer of the monitor says.
    #[must_use]
    pub fn progress(&self, answer: &Response) -> Progress {
        let said = said(answer);
        match answer.status {
            StatusCode::OK | StatusCode::CREATED => match said {
                Some(said) => said,
                // No word of an operation: the monitor has made way for the result.
                None if !self.is_document => Progress::Succeeded,
                None => Progress::Unclear,
            },
            StatusCode::ACCEPTED => said.unwrap_or(Progress::Running),
            StatusCode::NO_CONTENT | StatusCode::SEE_OTHER => Progress::Succeeded,
            _ => Progress::Unclear,
        }
    }
}

/// What a document says in so many words; `None`: it has no member for that.
fn said(answer: &Response) -> Option<Progress> {
    let document = parse_strict(&answer.content, MAX_DEPTH).ok()?;
    if let Some(Value::Bool(done)) = document.get("done") {
        let failed = document.get("error").is_some_and(|error| !error.is_null());
        return Some(match (done, failed) {
            (false, _) => Progress::Running,
            (true, false) => Progress::Succeeded,
            (true, true) => Progress::Failed,
        });
    }
    let word = ["status", "state"]
        .iter()
        .find_map(|name| document.get(*name)?.as_str())?;
    let letters = word.chars().filter(char::is_ascii_alphabetic);
    Some(match letters.collect::<String>().to_ascii_lowercase().as_str() {
        "succeeded" | "success" | "successful" | "completed" | "complete" | "done" | "finished" => Progress::Succeeded,
        "failed" | "failure" | "error" | "errored" | "canceled" | "cancelled" | "rejected" | "aborted" | "timedout" => {
            Progress::Failed
        }
        "notstarted" | "pending" | "queued" | "waiting" | "scheduled" | "accepted" | "started" | "running"
        | "inprogress" | "processing" | "validating" | "creating" | "updating" | "deleting" | "provisioning" => {
            Progress::Running
        }
        _ => Progress::Unclear,
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;

    use super::*;

    fn answer(status: u16, fields: &[(&'static str, &str)], content: &str) -> Response {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.insert(*name, value.parse().unwrap());
        }
        Response {
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            content: Bytes::from(content.to_owned()),
            complete: true,
        }
    }

    /// The fields of an answer, and the monitor that they name: where it is, and whether it is a document about the operation.
    type Row<'a> = (&'a [(&'static str, &'a str)], Option<(&'a str, bool)>);

    #[test]
    fn monitors_are_found_at_the_same_authority_only() {
        let target = Target::parse("https://api.example/v1/vms/7?x=1").unwrap();
        let table: [Row<'_>; 9] = [
            (
                &[("location", "/ops/1?v=2")],
                Some(("https://api.example/ops/1?v=2", false)),
            ),
            (
                &[("location", "ops/1")],
                Some(("https://api.example/v1/vms/7/ops/1", false)),
            ),
            (
                &[("operation-location", "https://api.example/ops/1")],
                Some(("https://api.example/ops/1", true)),
            ),
            (
                &[("location", "/vms/7"), ("azure-asyncoperation", "/ops/2")],
                Some(("https://api.example/ops/2", true)),
            ),
            (&[("location", "https://other.example/ops/1")], None),
            (&[("location", "//other.example/ops/1")], None),
            (&[("location", "ftp://api.example/ops/1")], None),
            (&[("location", "")], None),
            (&[], None),
        ];
        for (fields, expected) in table {
            let found = Monitor::named_by(&answer(202, fields, ""), &target);
            let found = found.as_ref().map(|m| (m.at.as_str(), m.is_document));
            assert_eq!(found, expected, "{fields:?}");
        }
    }

    #[test]
    fn what_monitors_say() {
        use Progress::{Failed, Running, Succeeded, Unclear};
        let at = Target::parse("https://api.example/ops/1").unwrap();
        for (status, content, of_document, of_location) in [
            (200, r#"{"status":"Succeeded"}"#, Succeeded, Succeeded),
            (200, r#"{"status":"In_Progress"}"#, Running, Running),
            (200, r#"{"state":"not started"}"#, Running, Running),
            (200, r#"{"status":"Canceled"}"#, Failed, Failed),
            (202, r#"{"status":"failed"}"#, Failed, Failed),
            (200, r#"{"status":"Odd"}"#, Unclear, Unclear),
            (200, r#"{"done":false}"#, Running, Running),
            (200, r#"{"done":true,"response":{}}"#, Succeeded, Succeeded),
            (200, r#"{"done":true,"error":{"code":9}}"#, Failed, Failed),
            (200, r#"{"id":7}"#, Unclear, Succeeded),
            (200, "", Unclear, Succeeded),
            (201, r#"{"id":7}"#, Unclear, Succeeded),
            (204, "", Succeeded, Succeeded),
            (303, "", Succeeded, Succeeded),
            (202, "", Running, Running),
            (404, "", Unclear, Unclear),
            (500, r#"{"status":"Failed"}"#, Unclear, Unclear),
            (302, "", Unclear, Unclear),
        ] {
            for (is_document, expected) in [(true, of_document), (false, of_location)] {
                let monitor = Monitor {
                    at: at.clone(),
                    is_document,
                };
                assert_eq!(
                    monitor.progress(&answer(status, &[], content)),
                    expected,
                    "{status} {content}"
                );
            }
        }
    }
}
