//! Opens the ledger itself, when no gateway holds it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tiebreak_client::clock::Clock;
use tiebreak_client::prover::{self, DoubtError};
use tiebreak_client::story::Conceal;
use tiebreak_core::record::WriteId;
use tiebreak_ledger::{Ledger, LedgerError, ResolvedBy};

use crate::admin::records;
use crate::exit::{FAILED, Failure, USAGE};
use crate::stores::{self, SharedLedger};

/// An open ledger file.
pub(super) struct File {
    ledger: Arc<dyn Ledger>,
    conceal: Conceal,
}

fn failed(error: &LedgerError) -> Failure {
    Failure::new(FAILED, error.to_string())
}

impl File {
    pub(super) async fn open(path: &Path) -> Result<File, Failure> {
        // Opening would make one.
        if !stores::is_shared(path) && !path.exists() {
            let why = format!("open the ledger {}: there is no such file", path.display());
            return Err(Failure::new(USAGE, why));
        }
        Ok(File {
            ledger: stores::open_ledger(path, &SharedLedger::default(), Duration::ZERO)
                .await?
                .ledger,
            conceal: Conceal::default(),
        })
    }

    pub(super) async fn close(&self) -> Result<(), Failure> {
        self.ledger.close().await.map_err(|e| failed(&e))
    }

    pub(super) async fn list(&self, after: Option<WriteId>, limit: usize) -> Result<Value, Failure> {
        let found = self.ledger.doubts(after, limit).await.map_err(|e| failed(&e))?;
        let open = self.ledger.stats().await.map_err(|e| failed(&e))?.in_doubt;
        let next = found
            .last()
            .filter(|_| found.len() == limit)
            .map(|r| r.claim.id.to_string());
        let doubts: Vec<Value> = found.iter().map(|r| records::record(r, &self.conceal)).collect();
        Ok(json!({ "doubts": doubts, "open": open, "next": next }))
    }

    pub(super) async fn show(&self, id: WriteId) -> Result<Value, Failure> {
        let record = self.ledger.get(id).await.map_err(|e| failed(&e))?;
        let record = record.ok_or_else(|| Failure::new(FAILED, DoubtError::Unknown(id).to_string()))?;
        let resolution = self.ledger.resolution(id).await.map_err(|e| failed(&e))?;
        Ok(json!({
            "record": records::record(&record, &self.conceal),
            "resolution": resolution.as_ref().map(records::resolution),
            "story": Value::Null,
        }))
    }

    pub(super) async fn settle(&self, id: WriteId, applied: bool, reason: &str) -> Result<Value, Failure> {
        let now = Clock::system().now();
        let settled = prover::settle(&*self.ledger, id, applied, ResolvedBy::Person, reason, now).await;
        settled.map_err(|e| Failure::new(FAILED, e.to_string()))?;
        self.show(id).await
    }
}
