//! What clients do to change a field of a document that others change too.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::connection::{Answer, Connection};

/// A blind client gives up after so many attempts, as the generated SDKs do (two repeats and the first).
const BLIND_ATTEMPTS: u32 = 3;
/// Wait between attempts of the client that applies its change again: client-go's `retry.DefaultRetry`.
const PAUSE: Duration = Duration::from_millis(10);

/// A client's habit.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Habit {
    /// GET, then PUT under its tag; on a conflict the same request again.
    Blind,
    /// GET, then PUT under its tag; on a conflict fetch the new tag and resend the old document under it.
    Resend,
    /// GET, then PUT under its tag; on a conflict fetch, apply the change again, with a pause (client-go).
    Reapply,
    /// GET, change, PUT; no conditional field at all.
    Plain,
    /// PATCH with a merge patch of the one field; no read, no conditional field.
    Patch,
}

/// What one write of a worker came to.
#[derive(Default)]
pub(crate) struct Written {
    pub(crate) acknowledged: bool,
    /// Status of the last answer; none when the connection broke.
    pub(crate) status: Option<u16>,
    pub(crate) attempts: u32,
    /// Requests sent, reads included.
    pub(crate) requests: u32,
    /// Reads that the edit starts from: the one a client needs even when it is alone.
    pub(crate) own_reads: u32,
    /// The field's value in the first read.
    pub(crate) found: Option<Value>,
    /// Gave up because the time was over.
    pub(crate) late: bool,
}

/// Sets `field` to `value`, after the client's habit, until `deadline`.
pub(crate) async fn write(
    habit: Habit,
    connection: &mut Connection,
    field: &str,
    value: u64,
    deadline: Instant,
) -> Result<Written, String> {
    let mut done = Written::default();
    if habit == Habit::Patch {
        let patch = json!({ field: value }).to_string();
        let fields = [("content-type", "application/merge-patch+json")];
        done.attempt(connection.send(Method::PATCH, &fields, Bytes::from(patch)).await);
        return Ok(done);
    }
    let (mut document, mut tag) = read(connection, &mut done).await?;
    done.own_reads = 1;
    done.found = document.get(field).cloned();
    document[field] = json!(value);
    loop {
        let content = Bytes::from(document.to_string());
        let kind = ("content-type", "application/json");
        let sent = match habit {
            Habit::Plain => connection.send(Method::PUT, &[kind], content).await,
            _ => {
                connection
                    .send(Method::PUT, &[kind, ("if-match", tag.as_str())], content)
                    .await
            }
        };
        let conflict = done.attempt(sent);
        if !conflict || habit == Habit::Plain || (habit == Habit::Blind && done.attempts >= BLIND_ATTEMPTS) {
            return Ok(done);
        }
        if Instant::now() >= deadline {
            done.late = true;
            return Ok(done);
        }
        match habit {
            Habit::Blind => tokio::time::sleep(PAUSE.mul_f64(1.0 + 0.1 * fastrand::f64())).await,
            Habit::Resend => tag = read(connection, &mut done).await?.1,
            Habit::Reapply => {
                tokio::time::sleep(PAUSE.mul_f64(1.0 + 0.1 * fastrand::f64())).await;
                (document, tag) = read(connection, &mut done).await?;
                document[field] = json!(value);
            }
            Habit::Plain | Habit::Patch => return Ok(done),
        }
    }
}

async fn read(connection: &mut Connection, done: &mut Written) -> Result<(Value, String), String> {
    done.requests += 1;
    let answer = connection.get().await?;
    let document =
        serde_json::from_slice(&answer.content).map_err(|e| format!("read the document ({}): {e}", answer.status))?;
    Ok((document, answer.etag().unwrap_or_default()))
}

impl Written {
    /// Notes one attempt; true if it met a conflict.
    fn attempt(&mut self, answer: Result<Answer, String>) -> bool {
        self.attempts += 1;
        self.requests += 1;
        let status = answer.ok().map(|a| a.status);
        self.status = status.map(|s| s.as_u16());
        self.acknowledged = status.is_some_and(|s| s.is_success());
        matches!(status, Some(StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED))
    }
}
