//! The contract of all ledgers.

use std::sync::Arc;

use tempfile::TempDir;
use tiebreak_ledger::Ledger;
use tiebreak_ledger::contract::{self, BOUNDS, Opening, Step, Store};
use tiebreak_ledger::sqlite::SqliteLedger;

use crate::support::{copy, options, path};

/// A ledger file. After a "crash" the next process finds a copy that was made while the last one still ran.
#[derive(Default)]
struct InFile {
    dirs: Vec<TempDir>,
    last: Option<Arc<SqliteLedger>>,
}

impl Store for InFile {
    fn open(&mut self, how: Opening) -> Step<'_, Arc<dyn Ledger>> {
        Box::pin(async move {
            match (how, &self.last) {
                (Opening::AfterClose, Some(last)) => last.close().await.unwrap(),
                _ => {
                    let dir = tempfile::tempdir().unwrap();
                    if let (Opening::AfterCrash, Some(last)) = (how, self.dirs.last()) {
                        copy(last.path(), dir.path());
                    }
                    self.dirs.push(dir);
                }
            }
            let dir = self.dirs.last().unwrap();
            let ledger = Arc::new(SqliteLedger::open(path(dir.path()), options(BOUNDS)).unwrap());
            self.last = Some(Arc::clone(&ledger));
            ledger as Arc<dyn Ledger>
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn is_kept() {
    let rules = contract::run(|| Box::new(InFile::default())).await;
    assert!(rules >= 40, "only {rules} rules ran");
}
