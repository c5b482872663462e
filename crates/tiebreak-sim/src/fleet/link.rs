//! The way to the database: connections that are lost before or after a commit, statements that are made long after nobody
//! waits for them any more, restarts, and gateways that are cut off.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tiebreak_core::time::Time;
use tiebreak_ledger::shared::{Asked, Trouble};
use tokio::sync::{Notify, oneshot};

use super::clock::DbClock;
use super::tables::Tables;
use crate::dice::Dice;
use crate::sabotage::Sabotage;
use crate::trace::{Event, Trace};

/// What goes wrong on the way, each in a thousand calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Storms {
    /// The connection ends and the statement never arrives.
    pub lost_before: u64,
    /// It is committed, and the connection ends before the answer.
    pub lost_after: u64,
    /// The connection ends, and it is made up to [`SLOW`] later.
    pub late: u64,
    /// It takes up to [`SLOW`].
    pub slow: u64,
    /// It is refused, and changes nothing: another transaction was in its way.
    pub refused: u64,
    /// It fails there for a reason of the database's own, and changes nothing. New sessions fail so ten times as often.
    pub failed: u64,
}

/// So long a slow database takes at most, in milliseconds.
const SLOW: u64 = 7_000;

/// So long the network keeps what it cannot deliver.
const KEPT: Duration = Duration::from_secs(10);

/// A database that several gateways share. Clones are the same one.
#[derive(Clone)]
pub struct SimDatabase {
    pub(super) shared: Arc<Shared>,
    /// The machine that this is the way from.
    pub(super) host: usize,
    /// By how much its clock is wrong, in milliseconds: for [`Sabotage::LeaseByLocalClock`].
    wrong: i64,
}

pub(super) struct Shared {
    tables: Mutex<Tables>,
    pub(super) clock: DbClock,
    pub(super) dice: Dice,
    trace: Trace,
    storms: Storms,
    sabotage: Sabotage,
    reach: Mutex<Reach>,
    hints: Mutex<Vec<Arc<Notify>>>,
    /// As it was a while ago, for [`Sabotage::CommitsForgotten`].
    earlier: Mutex<Option<Tables>>,
}

/// Who reaches the database.
#[derive(Debug, Default)]
struct Reach {
    down: bool,
    /// Sessions of an earlier start are closed.
    starts: u64,
    cut_off: BTreeSet<usize>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn gone(why: &str) -> Trouble {
    Trouble::Gone(why.to_owned())
}

fn broken_inside() -> Trouble {
    Trouble::Refused("an error of its own".into())
}

impl SimDatabase {
    /// A database with these tables.
    #[must_use]
    pub fn new(
        tables: Tables,
        clock: DbClock,
        dice: Dice,
        trace: Trace,
        storms: Storms,
        sabotage: Sabotage,
    ) -> SimDatabase {
        SimDatabase {
            shared: Arc::new(Shared {
                tables: Mutex::new(tables),
                clock,
                dice,
                trace,
                storms,
                sabotage,
                reach: Mutex::default(),
                hints: Mutex::default(),
                earlier: Mutex::default(),
            }),
            host: 0,
            wrong: 0,
        }
    }

    /// The way to it from machine `host`, whose clock is wrong by so many milliseconds.
    #[must_use]
    pub fn from(&self, host: usize, wrong: i64) -> SimDatabase {
        SimDatabase {
            shared: Arc::clone(&self.shared),
            host,
            wrong,
        }
    }

    /// The tables.
    pub fn tables(&self) -> MutexGuard<'_, Tables> {
        lock(&self.shared.tables)
    }

    /// It stops: what was committed stays, sessions end.
    pub fn stop(&self) {
        self.shared.trace.note(Event::LedgerDown);
        let mut reach = lock(&self.shared.reach);
        reach.down = true;
        reach.starts += 1;
        drop(reach);
        if self.shared.sabotage == Sabotage::CommitsForgotten
            && let Some(earlier) = lock(&self.shared.earlier).take()
        {
            *self.tables() = earlier;
        }
    }

    /// It can be used again.
    pub fn start(&self) {
        self.shared.trace.note(Event::LedgerUp);
        lock(&self.shared.reach).down = false;
    }

    /// Remembers how it is now, for [`Sabotage::CommitsForgotten`].
    pub fn remember(&self) {
        if self.shared.sabotage == Sabotage::CommitsForgotten {
            let now = self.tables().clone();
            *lock(&self.shared.earlier) = Some(now);
        }
    }

    /// It can be used again, from everywhere.
    pub fn heal(&self) {
        let mut reach = lock(&self.shared.reach);
        reach.down = false;
        reach.cut_off.clear();
    }

    /// Nothing comes through between `host` and the database, until [`SimDatabase::join`].
    pub fn cut_off(&self, host: usize) {
        lock(&self.shared.reach).cut_off.insert(host);
    }

    /// Ends [`SimDatabase::cut_off`].
    pub fn join(&self, host: usize) {
        lock(&self.shared.reach).cut_off.remove(&host);
    }

    /// A new session.
    pub(super) async fn connect(&self) -> Asked<Link> {
        let dice = &self.shared.dice;
        tokio::time::sleep(dice.time(1..8)).await;
        if !self.comes_through(Duration::from_secs(5)).await {
            return Err(gone("it did not accept a connection in time"));
        }
        let reach = lock(&self.shared.reach);
        if reach.down {
            return Err(gone("it refuses connections"));
        }
        if dice.number(0..100) < self.shared.storms.failed {
            return Err(broken_inside());
        }
        Ok(Link {
            database: self.clone(),
            start: reach.starts,
            closed: Arc::default(),
        })
    }

    /// Waits while this machine is cut off; `false` if that takes longer than `most`.
    async fn comes_through(&self, most: Duration) -> bool {
        let begun = tokio::time::Instant::now();
        while lock(&self.shared.reach).cut_off.contains(&self.host) {
            if begun.elapsed() > most {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        true
    }

    /// The time by which leases are reckoned: the database's own.
    fn time(&self) -> Time {
        let now = self.shared.clock.now();
        match self.shared.sabotage {
            Sabotage::LeaseByLocalClock => Time(now.0.saturating_add_signed(self.wrong)),
            _ => now,
        }
    }

    pub(super) fn listen(&self, hint: Arc<Notify>) {
        lock(&self.shared.hints).push(hint);
    }

    /// Everybody who listens is told, mostly.
    pub(super) fn notify(&self) {
        let hints = lock(&self.shared.hints).clone();
        let delay = self.shared.dice.time(0..5);
        if self.shared.dice.chance(90) {
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                hints.iter().for_each(|hint| hint.notify_waiters());
            });
        }
    }
}

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Fine,
    LostBefore,
    LostAfter,
    Late,
    Slow,
    Refused,
    Failed,
}

/// A session.
#[derive(Clone)]
pub struct Link {
    pub(super) database: SimDatabase,
    start: u64,
    closed: Arc<AtomicBool>,
}

impl Link {
    /// Whether its connection is known to be gone.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed) || !self.is_open()
    }

    /// The database knows this session.
    fn is_open(&self) -> bool {
        let reach = lock(&self.database.shared.reach);
        !reach.down && reach.starts == self.start
    }

    fn fate(&self) -> Fate {
        let s = self.database.shared.storms;
        let table = [
            (s.lost_before, Fate::LostBefore),
            (s.lost_after, Fate::LostAfter),
            (s.late, Fate::Late),
            (s.slow, Fate::Slow),
            (s.refused, Fate::Refused),
            (s.failed, Fate::Failed),
        ];
        let mut thrown = self.database.shared.dice.number(0..1_000);
        for (share, fate) in table {
            if thrown < share {
                return fate;
            }
            thrown -= share;
        }
        Fate::Fine
    }

    /// Makes `work` there as a whole, and comes back with what came of it. Once on its way it is made whether or not anybody
    /// still waits.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tables, Time) -> T + Send + 'static,
    ) -> Asked<T> {
        if self.is_closed() {
            return Err(gone("the connection is closed"));
        }
        let (fate, dice) = (self.fate(), &self.database.shared.dice);
        let (there, back) = (dice.time(0..4), dice.time(0..4));
        let slow = match fate {
            Fate::Late | Fate::Slow => dice.time(0..SLOW),
            _ => Duration::ZERO,
        };
        let fails = match fate {
            Fate::Refused => Some(Trouble::Again("two transactions were in each other's way".into())),
            Fate::Failed => Some(broken_inside()),
            _ => None,
        };
        if let Some(trouble) = fails {
            tokio::time::sleep(there + back).await;
            return Err(trouble);
        }
        let (answer, receiver) = oneshot::channel();
        let link = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(there + slow).await;
            if fate == Fate::LostBefore || !link.database.comes_through(KEPT).await || !link.is_open() {
                return;
            }
            let time = link.database.time();
            let done = work(&mut link.database.tables(), time);
            if fate == Fate::LostAfter {
                return;
            }
            tokio::time::sleep(back).await;
            if link.database.comes_through(KEPT).await && link.is_open() {
                let _gone = answer.send(done);
            }
        });
        let answered = match fate {
            Fate::Late => {
                tokio::time::sleep(there + back).await;
                Err(())
            }
            _ => receiver.await.map_err(drop),
        };
        answered.map_err(|()| {
            self.closed.store(true, Ordering::Relaxed);
            gone("the connection was lost")
        })
    }
}
