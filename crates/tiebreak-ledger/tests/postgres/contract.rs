//! The contract of all ledgers.

use std::sync::Arc;
use std::time::Duration;

use tiebreak_ledger::Ledger;
use tiebreak_ledger::contract::{self, BOUNDS, Opening, Step, Store};
use tiebreak_ledger::postgres::{Address, Options, PgLedger};

use crate::cluster::{Cluster, address};

/// A schema of the cluster. After a "crash" the last process is still there, but its lease has run out.
struct InSchema {
    cluster: Arc<Cluster>,
    schema: String,
    last: Option<Arc<PgLedger>>,
}

impl Store for InSchema {
    fn open(&mut self, how: Opening) -> Step<'_, Arc<dyn Ledger>> {
        Box::pin(async move {
            match (how, &self.last) {
                (Opening::AfterClose, Some(last)) => last.close().await.unwrap(),
                (Opening::AfterCrash, _) => {
                    let gone = "owners SET lease_until = clock_timestamp() - interval '1 hour'";
                    self.cluster.sql(&format!("UPDATE {}.{gone}", self.schema));
                }
                (Opening::First | Opening::AfterClose, _) => {}
            }
            let options = Options {
                bounds: BOUNDS,
                lease: Duration::from_secs(60),
                ..Options::default()
            };
            let address = Address::parse(&address(&self.cluster.authority(), &self.schema)).unwrap();
            let ledger = Arc::new(PgLedger::open(address, options).await.unwrap());
            self.last = Some(Arc::clone(&ledger));
            ledger as Arc<dyn Ledger>
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn is_kept() {
    let cluster = Arc::new(Cluster::start());
    let mut made = 0;
    let rules = contract::run(|| {
        made += 1;
        let (cluster, schema, last) = (Arc::clone(&cluster), format!("rule{made}"), None);
        Box::new(InSchema { cluster, schema, last })
    });
    let rules = rules.await;
    assert!(rules >= 40, "only {rules} rules ran");
}
