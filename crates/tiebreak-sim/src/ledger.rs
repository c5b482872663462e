//! The ledger of a run: the one in memory, which takes time, fails, and tells the trace what became durable.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tiebreak_core::fingerprint::Fingerprint;
use tiebreak_core::key::KeyTrace;
use tiebreak_core::record::{Claim, Doubt, Fence, Record, Settlement, Sought, State, WriteId};
use tiebreak_core::time::Time;
use tiebreak_ledger::memory::{Fault, MemoryLedger, Op};
use tiebreak_ledger::search::{Found, Query};
use tiebreak_ledger::{Claimed, Ledger, LedgerError, Pending, Resolution, ResolvedBy, Stats};

use crate::dice::Dice;
use crate::sabotage::Sabotage;
use crate::trace::{Event, Number, Trace};

/// Which write has which fingerprint and which record: known to the simulator alone.
#[derive(Debug, Clone, Default)]
pub struct Register(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    fingerprints: HashMap<Fingerprint, Number>,
    ids: HashMap<WriteId, Number>,
}

impl Register {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This fingerprint is that of write `number`.
    pub fn is(&self, fingerprint: Fingerprint, number: Number) {
        self.lock().fingerprints.insert(fingerprint, number);
    }

    /// This is a claim of a write.
    pub(crate) fn claimed(&self, claim: &Claim) -> Number {
        let mut known = self.lock();
        let number = known.fingerprints.get(&claim.fingerprint).copied();
        let number = number.expect("every write is registered before it is submitted");
        known.ids.insert(claim.id, number);
        number
    }

    /// Of which write this is a record.
    pub(crate) fn of(&self, id: WriteId) -> Number {
        let number = self.lock().ids.get(&id).copied();
        number.expect("every record began with a claim")
    }
}

/// How often a ledger fails, in a hundred operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    /// Fails and does nothing.
    pub fails: u64,
    /// Does not know whether it did it, and stops until it was reopened.
    pub loses: u64,
}

/// A ledger that takes time and fails.
#[derive(Clone)]
pub struct SimLedger {
    /// What a restart finds.
    pub memory: MemoryLedger,
    register: Register,
    dice: Dice,
    trace: Trace,
    faults: Faults,
    sabotage: Sabotage,
    unkept: Arc<AtomicU64>,
    lost: Arc<AtomicBool>,
}

impl SimLedger {
    /// A ledger over `memory`.
    #[must_use]
    pub fn new(
        memory: MemoryLedger,
        register: Register,
        dice: Dice,
        trace: Trace,
        faults: Faults,
        sabotage: Sabotage,
    ) -> SimLedger {
        SimLedger {
            memory,
            register,
            dice,
            trace,
            faults,
            sabotage,
            unkept: Arc::new(AtomicU64::new(1_000_000)),
            lost: Arc::default(),
        }
    }

    /// Whether it stopped and has to be opened again.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    fn aim(&self, op: Op) {
        if self.dice.chance(self.faults.fails) {
            let error = match self.dice.chance(50) {
                true => LedgerError::Full,
                false => LedgerError::Unavailable("it is busy".into()),
            };
            self.memory.inject(op, Fault::Fail(error));
        } else if self.faults.loses > 0 && self.dice.number(0..1000) < self.faults.loses {
            let fault = match self.dice.chance(50) {
                true => Fault::LoseAnswer,
                false => Fault::LoseChange,
            };
            self.memory.inject(op, fault);
        }
    }

    /// Performs it now and answers a little later.
    fn later<'a, T: Send + 'a>(
        &self,
        mut done: Pending<'_, T>,
        note: impl FnOnce(&T) -> Option<Event>,
    ) -> Pending<'a, T> {
        let result = match done.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(LedgerError::Closed),
        };
        match &result {
            Ok(value) => {
                if let Some(event) = note(value) {
                    self.trace.note(event);
                }
            }
            Err(error) => {
                let lost = matches!(error, LedgerError::Lost(_));
                self.lost.fetch_or(lost, Ordering::Relaxed);
                self.trace.note(Event::LedgerFailed(error.to_string()));
            }
        }
        let wait = self.dice.time(0..4);
        Box::pin(async move {
            pause(wait).await;
            result
        })
    }
}

async fn pause(wait: Duration) {
    if wait.is_zero() {
        tokio::task::yield_now().await;
    } else {
        tokio::time::sleep(wait).await;
    }
}

impl Ledger for SimLedger {
    fn look_up(&self, sought: Sought, now: Time) -> Pending<'_, Option<Record>> {
        self.aim(Op::LookUp);
        self.later(self.memory.look_up(sought, now), |_| None)
    }

    fn traced(&self, trace: KeyTrace, limit: usize) -> Pending<'_, Vec<Record>> {
        self.aim(Op::Read);
        self.later(self.memory.traced(trace, limit), |_| None)
    }

    fn search(&self, query: Query, before: Option<WriteId>, limit: usize) -> Pending<'_, Found> {
        self.aim(Op::Read);
        self.later(self.memory.search(query, before, limit), |_| None)
    }

    fn claim(&self, claim: Claim) -> Pending<'_, Claimed> {
        self.aim(Op::Claim);
        let (number, id) = (self.register.claimed(&claim), claim.id);
        let unkept = || Ok(Claimed::Granted(Fence(self.unkept.fetch_add(1, Ordering::Relaxed))));
        if self.sabotage == Sabotage::GrantUnkept {
            return Box::pin(std::future::ready(unkept()));
        }
        if self.sabotage == Sabotage::GrantWhenDown && self.is_down() {
            self.trace.note(Event::Claimed(
                number,
                id,
                Fence(self.unkept.load(Ordering::Relaxed)),
                0,
            ));
            return Box::pin(std::future::ready(unkept()));
        }
        self.later(self.memory.claim(claim), |claimed| match claimed {
            Claimed::Granted(fence) => Some(Event::Claimed(number, id, *fence, 0)),
            Claimed::Taken(_) => None,
        })
    }

    fn amend(&self, id: WriteId, fence: Fence, attempt: u32, held: Option<String>) -> Pending<'_, Fence> {
        self.aim(Op::Amend);
        let number = self.register.of(id);
        self.later(self.memory.amend(id, fence, attempt, held), |fence| {
            Some(Event::Claimed(number, id, *fence, 0))
        })
    }

    fn settle(&self, id: WriteId, fence: Fence, settlement: Settlement) -> Pending<'_, ()> {
        self.aim(Op::Settle);
        if self.sabotage == Sabotage::SettleUnkept {
            return Box::pin(std::future::ready(Ok(())));
        }
        let (number, outcome) = (self.register.of(id), settlement.outcome);
        let settled = Event::Settled(number, id, Some(fence), outcome);
        let pending = self.memory.settle(id, fence, settlement);
        self.settled(id, pending, settled)
    }

    fn doubt(&self, id: WriteId, fence: Fence, doubt: Doubt) -> Pending<'_, ()> {
        self.aim(Op::Doubt);
        let number = self.register.of(id);
        self.later(self.memory.doubt(id, fence, doubt), |()| {
            Some(Event::Doubted(number, id))
        })
    }

    fn release(&self, id: WriteId, fence: Fence) -> Pending<'_, ()> {
        self.aim(Op::Release);
        let number = self.register.of(id);
        self.later(self.memory.release(id, fence), |()| Some(Event::Released(number, id)))
    }

    fn resolve(&self, id: WriteId, settlement: Settlement, by: ResolvedBy, reason: String) -> Pending<'_, Record> {
        self.aim(Op::Resolve);
        let (number, outcome) = (self.register.of(id), settlement.outcome);
        let settled = Event::Settled(number, id, None, outcome);
        let pending = self.memory.resolve(id, settlement, by, reason);
        self.settled(id, pending, settled)
    }

    fn retake(&self, id: WriteId, attempt: u32, held: Option<String>) -> Pending<'_, Fence> {
        self.aim(Op::Retake);
        let number = self.register.of(id);
        self.later(self.memory.retake(id, attempt, held), |fence| {
            Some(Event::Claimed(number, id, *fence, 0))
        })
    }

    fn get(&self, id: WriteId) -> Pending<'_, Option<Record>> {
        self.memory.get(id)
    }

    fn resolution(&self, id: WriteId) -> Pending<'_, Option<Resolution>> {
        self.memory.resolution(id)
    }

    fn doubts(&self, after: Option<WriteId>, limit: usize) -> Pending<'_, Vec<Record>> {
        self.memory.doubts(after, limit)
    }

    fn purge(&self, now: Time) -> Pending<'_, u64> {
        self.memory.purge(now)
    }

    fn stats(&self) -> Pending<'_, Stats> {
        self.memory.stats()
    }

    fn check(&self) -> Pending<'_, Vec<String>> {
        self.memory.check()
    }

    fn close(&self) -> Pending<'_, ()> {
        self.memory.close()
    }
}

impl SimLedger {
    /// A settlement may have become durable although its answer was lost.
    fn settled<'a, T: Send + 'a>(&self, id: WriteId, done: Pending<'_, T>, settled: Event) -> Pending<'a, T> {
        let unheard = settled.clone();
        let answer = self.later(done, |_| Some(settled));
        let mut record = self.memory.get(id);
        let found = match record.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(Some(record))) => matches!(record.state, State::Settled(_)),
            _ => false,
        };
        let heard = self.trace.holds(&unheard);
        if found && !heard {
            self.trace.note(unheard);
        }
        answer
    }

    /// Whether it is down, by asking it for something harmless.
    fn is_down(&self) -> bool {
        let mut stats = self.memory.stats();
        matches!(
            stats.as_mut().poll(&mut Context::from_waker(Waker::noop())),
            Poll::Ready(Err(_))
        )
    }
}
