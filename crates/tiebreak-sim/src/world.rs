//! One run: engines, writers and accidents, on one thread in virtual time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tiebreak_client::Engine;
use tiebreak_client::clock::Clock;
use tiebreak_core::time::Time;
use tiebreak_ledger::memory::MemoryLedger;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::dice::Dice;
use crate::fleet::SimDatabase;
use crate::fleet::clock::DbClock;
use crate::fleet::tables::Tables;
use crate::host::{Host, Up};
use crate::ledger::{Register, SimLedger};
use crate::origin::{Fields, Origin};
use crate::sabotage::Sabotage;
use crate::scenario::{Fleet, LATE, Scenario};
use crate::trace::{Applied, Event, Trace};
use crate::wire::Wire;
use crate::writer::{FIRST, MEMBERS, SHARED, Write, Writer};

/// When every run begins.
const BEGIN: Time = Time(1_800_000_000_000);

/// No run takes longer than this, in virtual time.
const LONGEST: Duration = Duration::from_secs(3_600);

/// When no caller waits any more, a fleet gives back what it has taken within this.
const REST: Duration = Duration::from_secs(30);

/// What a run left.
#[derive(Debug)]
pub struct Run {
    /// The world.
    pub scenario: Scenario,
    /// The seed.
    pub seed: u64,
    /// What the callers wanted, by number.
    pub writes: Vec<Write>,
    /// What happened.
    pub events: Vec<(Time, Event)>,
    /// Whether every caller came to an end.
    pub ended: bool,
    /// What contradicts itself in the database in the end.
    pub contradictions: Vec<String>,
    /// What is still taken in the database long after the last caller came to its end.
    pub kept: Vec<String>,
}

/// Where the record of writes is kept.
pub(crate) enum Store {
    /// By the one process.
    Own(Mutex<SimLedger>),
    /// By a fleet.
    Shared(SimDatabase, Fleet),
}

/// A gateway that takes a caller's requests.
pub(crate) struct Gate {
    pub(crate) host: usize,
    pub(crate) generation: u64,
    pub(crate) engine: Arc<Engine>,
}

/// What all parts of a run share.
pub(crate) struct World {
    pub(crate) scenario: Scenario,
    pub(crate) seed: u64,
    pub(crate) clock: Clock,
    pub(crate) dice: Dice,
    pub(crate) trace: Trace,
    pub(crate) wire: Wire,
    pub(crate) register: Register,
    pub(crate) hosts: Vec<Host>,
    pub(crate) store: Store,
    /// A plain list of waiters, woken in order: the shards of a `watch` are drawn at random.
    changed: Notify,
    writes: Mutex<Vec<Write>>,
}

/// Runs `scenario` with all chance drawn from `seed`.
///
/// # Panics
/// If no runtime can be built.
#[must_use]
pub fn run(scenario: &Scenario, seed: u64) -> Run {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without input and output can be built");
    runtime.block_on(live(scenario.clone(), seed))
}

async fn live(scenario: Scenario, seed: u64) -> Run {
    let world = World::new(scenario, seed);
    let mut troubles = vec![
        tokio::spawn(outages(Arc::clone(&world))),
        tokio::spawn(around(Arc::clone(&world))),
    ];
    let mut restarting = Vec::new();
    for host in 0..world.hosts.len() {
        world.start(host).await;
        restarting.push(tokio::spawn(restarts(Arc::clone(&world), host)));
        troubles.push(tokio::spawn(cuts(Arc::clone(&world), host)));
    }
    let mut tasks = Vec::new();
    for n in 0..world.scenario.writers {
        tasks.push(tokio::spawn(Writer::new(Arc::clone(&world), n).work()));
    }
    let all = async {
        for task in tasks {
            task.await.expect("writers do not panic");
        }
    };
    let ended = tokio::time::timeout(LONGEST, all).await.is_ok();
    troubles.iter().for_each(JoinHandle::abort);
    // What is late still arrives.
    tokio::time::sleep(LATE * 2).await;
    let kept = world.rests().await;
    restarting.iter().for_each(JoinHandle::abort);
    for path in SHARED {
        if let Some(last) = world.wire.origin().fields(path) {
            world.trace.note(Event::Looked(path.to_owned(), last));
        }
    }
    Run {
        scenario: world.scenario.clone(),
        seed,
        writes: world.lock_writes().clone(),
        events: world.trace.events(),
        ended,
        contradictions: match &world.store {
            Store::Own(_) => Vec::new(),
            Store::Shared(database, _) => database.tables().check(),
        },
        kept,
    }
}

impl World {
    fn new(scenario: Scenario, seed: u64) -> Arc<World> {
        let clock = Clock::starting_at(BEGIN);
        let (dice, trace, register) = (Dice::new(seed), Trace::new(clock), Register::default());
        let mut origin = Origin::new(scenario.habits);
        for path in SHARED {
            let fields: Fields = MEMBERS.iter().map(|m| ((*m).to_owned(), FIRST.to_owned())).collect();
            origin.put(path, fields);
        }
        let timeout = scenario.policy().attempt_timeout;
        let wire = Wire::new(
            origin,
            dice.clone(),
            trace.clone(),
            scenario.weather,
            timeout,
            scenario.sabotage,
        );
        let (store, hosts) = match scenario.fleet {
            None => {
                let own = ledger(&scenario, MemoryLedger::new(), &register, &dice, &trace);
                (Store::Own(Mutex::new(own)), 1)
            }
            Some(fleet) => {
                let hosts = dice.number(2..5);
                (
                    Store::Shared(database(&scenario, &fleet, &register, &dice, &trace), fleet),
                    hosts,
                )
            }
        };
        let hosts = (0..usize::try_from(hosts).unwrap_or(1)).map(|_| Host::new(scenario.crashes));
        let world = World {
            seed,
            clock,
            wire,
            hosts: hosts.collect(),
            store,
            changed: Notify::new(),
            writes: Mutex::default(),
            dice,
            trace,
            register,
            scenario,
        };
        Arc::new(world)
    }

    /// Waits until nothing is taken in the database of a fleet, which everybody reaches again. Returns what still is after [`REST`].
    async fn rests(&self) -> Vec<String> {
        let Store::Shared(database, _) = &self.store else {
            return Vec::new();
        };
        database.heal();
        let begun = Instant::now();
        loop {
            let kept = database.tables().kept();
            if kept.is_empty() || begun.elapsed() > REST {
                return kept;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub(crate) fn lock_writes(&self) -> MutexGuard<'_, Vec<Write>> {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The ledger of the one process.
    pub(crate) fn ledger(&self) -> SimLedger {
        match &self.store {
            Store::Own(ledger) => ledger.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            Store::Shared(..) => unreachable!("a fleet has no ledger in memory"),
        }
    }

    /// Something happens to a process: it is killed or, in a fleet, perhaps only stopped for a while.
    pub(crate) fn strike(self: &Arc<Self>, host: usize) {
        match &self.scenario.fleet {
            Some(fleet) if self.dice.chance(fleet.stops) => {
                // Some wake up in time, some long after their lease ran out.
                let most = u64::try_from(fleet.lease.as_millis()).unwrap_or_default() * 3;
                let rest = self.dice.time(10..most);
                self.hosts[host].strike_after(|| self.dice.number(20..900));
                self.stop(host, rest);
            }
            _ => self.crash(host),
        }
    }

    /// The process is killed: from here on nothing that it did not make durable has happened.
    fn crash(&self, host: usize) {
        self.trace.note(Event::Crashed(host));
        if let Store::Own(own) = &self.store {
            let image = self.ledger().memory.reopen_at(self.clock.now());
            let next = ledger(&self.scenario, image, &self.register, &self.dice, &self.trace);
            *own.lock().unwrap_or_else(PoisonError::into_inner) = next;
        }
        let generation = self.hosts[host].up().generation + 1;
        let engines = Vec::new();
        self.set_up(host, Up { generation, engines });
        self.hosts[host].go_on();
    }

    pub(crate) fn set_up(&self, host: usize, up: Up) {
        self.hosts[host].set_up(up);
        self.changed.notify_waiters();
    }

    pub(crate) async fn until(&self, condition: impl Fn() -> bool) {
        // On one thread nothing changes between the look and the wait.
        while !condition() {
            self.changed.notified().await;
        }
    }

    fn is_down(&self, host: usize) -> bool {
        self.hosts[host].up().engines.is_empty()
    }

    /// The gateway that takes the requests of caller `number`: its own, or the next that is up.
    pub(crate) async fn gate(&self, number: usize) -> Gate {
        let strays = self.scenario.fleet.is_some_and(|fleet| self.dice.chance(fleet.strays));
        let first = match strays {
            true => number + 1,
            false => number,
        };
        loop {
            for at in first..first + self.hosts.len() {
                let host = at % self.hosts.len();
                let Up { generation, engines } = self.hosts[host].up();
                if !engines.is_empty() {
                    let engine = Arc::clone(&engines[number % engines.len()]);
                    return Gate {
                        host,
                        generation,
                        engine,
                    };
                }
            }
            self.changed.notified().await;
        }
    }
}

fn database(scenario: &Scenario, fleet: &Fleet, register: &Register, dice: &Dice, trace: &Trace) -> SimDatabase {
    let clock = DbClock {
        began: BEGIN.after(dice.time(0..7_200_000)),
        start: Instant::now(),
        drift: i64::try_from(dice.number(0..21)).unwrap_or_default() - 10,
    };
    let tables = Tables::new(register.clone(), trace.clone(), scenario.sabotage);
    SimDatabase::new(
        tables,
        clock,
        dice.clone(),
        trace.clone(),
        fleet.storms,
        scenario.sabotage,
    )
}

fn ledger(scenario: &Scenario, memory: MemoryLedger, register: &Register, dice: &Dice, trace: &Trace) -> SimLedger {
    SimLedger::new(
        memory,
        register.clone(),
        dice.clone(),
        trace.clone(),
        scenario.faults,
        scenario.sabotage,
    )
}

/// Starts the process again after it was killed; kills it when its ledger stopped.
async fn restarts(world: Arc<World>, host: usize) {
    loop {
        let down = world.until(|| world.is_down(host));
        if tokio::time::timeout(Duration::from_millis(300), down).await.is_ok() {
            tokio::time::sleep(world.dice.time(10..400)).await;
            world.start(host).await;
        } else if matches!(world.store, Store::Own(_)) && world.ledger().is_lost() {
            world.crash(host);
        }
    }
}

/// The ledger is down, now and then.
async fn outages(world: Arc<World>) {
    if !world.scenario.outages {
        return;
    }
    loop {
        match &world.store {
            Store::Own(_) => {
                tokio::time::sleep(world.dice.time(50..600)).await;
                let memory = world.ledger().memory;
                memory.down("its disk is gone");
                world.trace.note(Event::LedgerDown);
                tokio::time::sleep(world.dice.time(20..400)).await;
                memory.up();
                world.trace.note(Event::LedgerUp);
            }
            Store::Shared(database, _) => {
                // Not so often that nobody lives long enough to declare others dead.
                tokio::time::sleep(world.dice.time(100..30_000)).await;
                database.remember();
                // What is forgotten has to matter to somebody.
                let most = match world.scenario.sabotage {
                    Sabotage::CommitsForgotten => 1_500,
                    _ => 100,
                };
                tokio::time::sleep(world.dice.time(1..most)).await;
                database.stop();
                tokio::time::sleep(world.dice.time(20..3_000)).await;
                database.start();
            }
        }
    }
}

/// A machine of a fleet is cut off from the database, now and then.
async fn cuts(world: Arc<World>, host: usize) {
    let Store::Shared(database, fleet) = &world.store else {
        return;
    };
    if !fleet.cuts {
        return;
    }
    loop {
        tokio::time::sleep(world.dice.time(500..20_000)).await;
        database.cut_off(host);
        tokio::time::sleep(world.dice.time(10..9_000)).await;
        database.join(host);
    }
}

/// Somebody writes around Tiebreak.
async fn around(world: Arc<World>) {
    let mut count = 0;
    if !world.scenario.bypass {
        return;
    }
    loop {
        tokio::time::sleep(world.dice.time(20..300)).await;
        let path = *world.dice.pick(&SHARED);
        let mut origin = world.wire.origin();
        let before = origin.fields(path);
        let mut after = before.clone().unwrap_or_default();
        count += 1;
        after.insert("x".into(), format!("around-{count}"));
        origin.put(path, after.clone());
        drop(origin);
        world.trace.note(Event::Applied(Applied {
            write: None,
            path: path.to_owned(),
            before,
            after: Some(after),
        }));
    }
}
