//! The ledger in memory: the contract, and the faults on demand.

use std::sync::Arc;

use tiebreak_ledger::contract::{self, BOUNDS, Opening, Step, Store};
use tiebreak_ledger::memory::MemoryLedger;
use tiebreak_ledger::{Ledger, LedgerError};

/// The last opened ledger of one store.
#[derive(Default)]
struct InMemory(Option<MemoryLedger>);

impl Store for InMemory {
    fn open(&mut self, how: Opening) -> Step<'_, Arc<dyn Ledger>> {
        Box::pin(async move {
            let next = match (&self.0, how) {
                (None, _) | (_, Opening::First) => MemoryLedger::with_bounds(BOUNDS),
                (Some(last), Opening::AfterCrash) => last.reopen(),
                (Some(last), Opening::AfterClose) => {
                    last.close().await.expect("closing cannot fail");
                    last.reopen()
                }
            };
            self.0 = Some(next.clone());
            Arc::new(next) as Arc<dyn Ledger>
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract() {
    let rules = contract::run(|| Box::new(InMemory::default())).await;
    assert!(rules >= 40, "only {rules} rules ran");
}

mod faults {
    use tiebreak_core::caller::CallerId;
    use tiebreak_core::fingerprint::{Digest, Fingerprint};
    use tiebreak_core::record::{Claim, WriteId};
    use tiebreak_core::time::Time;
    use tiebreak_ledger::Claimed;
    use tiebreak_ledger::memory::{Fault, Op};

    use super::*;

    fn claim(n: u8) -> Claim {
        Claim {
            id: WriteId([n; 16]),
            key: None,
            trace: None,
            caller: CallerId::ANONYMOUS,
            fingerprint: Fingerprint(Digest([n; 32])),
            method: "POST".into(),
            target: "http://a.example/".into(),
            lanes: vec![],
            attempt: 1,
            held: None,
            at: Time(5),
            expires: None,
        }
    }

    #[tokio::test]
    async fn a_failing_claim_changes_nothing() {
        let ledger = MemoryLedger::new();
        ledger.inject(Op::Claim, Fault::Fail(LedgerError::Full));
        assert_eq!(ledger.claim(claim(1)).await, Err(LedgerError::Full));
        assert_eq!(ledger.get(WriteId([1; 16])).await, Ok(None));
        assert!(matches!(ledger.claim(claim(1)).await, Ok(Claimed::Granted(_))));
    }

    #[tokio::test]
    async fn a_lost_claim_may_or_may_not_be_there_and_stops_the_rest() {
        for (fault, there) in [(Fault::LoseAnswer, true), (Fault::LoseChange, false)] {
            let ledger = MemoryLedger::new();
            ledger.inject(Op::Claim, fault);
            assert!(matches!(ledger.claim(claim(1)).await, Err(LedgerError::Lost(_))));
            assert!(matches!(ledger.claim(claim(2)).await, Err(LedgerError::Lost(_))));
            let ledger = ledger.reopen();
            let doubts = ledger.doubts(None, 9).await.unwrap();
            assert_eq!(doubts.len(), usize::from(there));
            assert!(matches!(ledger.claim(claim(2)).await, Ok(Claimed::Granted(_))));
        }
    }

    #[tokio::test]
    async fn a_ledger_that_is_down_comes_up_again() {
        let ledger = MemoryLedger::new();
        ledger.down("unplugged");
        let error = LedgerError::Unavailable("unplugged".into());
        assert_eq!(ledger.claim(claim(1)).await, Err(error.clone()));
        assert_eq!(ledger.stats().await, Err(error));
        ledger.up();
        assert!(matches!(ledger.claim(claim(1)).await, Ok(Claimed::Granted(_))));
    }

    #[tokio::test]
    async fn doubts_of_a_crash_begin_at_the_latest_known_time() {
        use tiebreak_core::record::State;
        let ledger = MemoryLedger::new();
        drop(ledger.look_up(claim(9).sought(), Time(77)).await);
        assert!(ledger.claim(claim(1)).await.is_ok());
        let doubts = ledger.reopen().doubts(None, 9).await.unwrap();
        assert!(matches!(doubts[0].state, State::InDoubt(d) if d.since == Time(77)));
        let doubts = ledger.reopen_at(Time(99)).doubts(None, 9).await.unwrap();
        assert!(matches!(doubts[0].state, State::InDoubt(d) if d.since == Time(99)));
    }
}
