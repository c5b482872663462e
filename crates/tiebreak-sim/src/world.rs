//! One run: engines, writers and accidents, on one thread in virtual time.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tiebreak_client::caller::Callers;
use tiebreak_client::clock::Clock;
use tiebreak_client::{Engine, EngineOptions};
use tiebreak_core::judge::Judge;
use tiebreak_core::time::Time;
use tiebreak_ledger::memory::MemoryLedger;
use tokio::sync::Notify;

use crate::dice::Dice;
use crate::ledger::{Register, SimLedger};
use crate::origin::{Fields, Origin};
use crate::scenario::{LATE, Scenario};
use crate::trace::{Applied, Event, Trace};
use crate::wire::Wire;
use crate::writer::{SHARED, Write, Writer};

/// When every run begins.
const BEGIN: Time = Time(1_800_000_000_000);

/// No run takes longer than this, in virtual time.
const LONGEST: Duration = Duration::from_secs(3_600);

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
}

/// The engines of one life of the process; none while it is down.
#[derive(Clone, Default)]
pub(crate) struct Up {
    pub(crate) generation: u64,
    pub(crate) engines: Vec<Arc<Engine>>,
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
    up: Mutex<Up>,
    /// A plain list of waiters, woken in order: the shards of a `watch` are drawn at random.
    changed: Notify,
    writes: Mutex<Vec<Write>>,
    ledger: Mutex<SimLedger>,
    polls: AtomicU64,
    crash_at: AtomicU64,
    crashes: AtomicU64,
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
    world.start().await;
    let mut tasks = Vec::new();
    for n in 0..world.scenario.writers {
        tasks.push(tokio::spawn(Writer::new(Arc::clone(&world), n).work()));
    }
    let helpers = [
        tokio::spawn(restarts(Arc::clone(&world))),
        tokio::spawn(outages(Arc::clone(&world))),
        tokio::spawn(around(Arc::clone(&world))),
    ];
    let all = async {
        for task in tasks {
            task.await.expect("writers do not panic");
        }
    };
    let ended = tokio::time::timeout(LONGEST, all).await.is_ok();
    for helper in helpers {
        helper.abort();
    }
    // What is late still arrives.
    tokio::time::sleep(LATE * 2).await;
    Run {
        scenario: world.scenario.clone(),
        seed,
        writes: world.lock_writes().clone(),
        events: world.trace.events(),
        ended,
    }
}

impl World {
    fn new(scenario: Scenario, seed: u64) -> Arc<World> {
        let clock = Clock::starting_at(BEGIN);
        let (dice, trace, register) = (Dice::new(seed), Trace::new(clock), Register::default());
        let mut origin = Origin::new(scenario.habits);
        for path in SHARED {
            let fields: Fields = (0..6).map(|n| (format!("f{n}"), "first".to_owned())).collect();
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
        let world = World {
            seed,
            clock,
            wire,
            up: Mutex::default(),
            changed: Notify::new(),
            writes: Mutex::default(),
            ledger: Mutex::new(ledger(&scenario, MemoryLedger::new(), &register, &dice, &trace)),
            polls: AtomicU64::new(0),
            crash_at: AtomicU64::new(u64::MAX),
            crashes: AtomicU64::new(scenario.crashes),
            dice,
            trace,
            register,
            scenario,
        };
        Arc::new(world)
    }

    pub(crate) fn lock_writes(&self) -> MutexGuard<'_, Vec<Write>> {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ledger(&self) -> SimLedger {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The process starts, or starts again.
    async fn start(&self) {
        let generation = self.up().generation;
        let mut engines = Vec::new();
        for gateway in 0..self.scenario.gateways as u64 {
            let options = EngineOptions {
                policy: Arc::new(self.scenario.policy()),
                callers: Arc::new(Callers::new(&[7; 32])),
                seed: Some(self.seed ^ (generation << 32) ^ (gateway << 48)),
                ..EngineOptions::default()
            };
            let engine = Engine::new(
                options,
                self.clock,
                Arc::new(self.ledger()),
                Arc::new(self.wire.clone()),
                Arc::new(Judge::standard()),
            );
            engine.recover().await.expect("the ledger was just opened");
            if generation > 0 {
                // An earlier process may have served reads and claimed nothing; then the ledger does not know.
                engine.reads().forgot(self.clock.now());
            }
            engines.push(Arc::new(engine));
        }
        if self.crashes.load(Ordering::Relaxed) > 0 {
            self.crashes.fetch_sub(1, Ordering::Relaxed);
            let polls = self.polls.load(Ordering::Relaxed);
            self.crash_at.store(polls + self.dice.number(5..150), Ordering::Relaxed);
        }
        self.set_up(Up { generation, engines });
    }

    /// The process is killed: from here on nothing that it did not make durable has happened.
    fn crash(&self) {
        self.trace.note(Event::Crashed);
        let image = self.ledger().memory.reopen_at(self.clock.now());
        let next = ledger(&self.scenario, image, &self.register, &self.dice, &self.trace);
        *self.ledger.lock().unwrap_or_else(PoisonError::into_inner) = next;
        let generation = self.up().generation + 1;
        let engines = Vec::new();
        self.set_up(Up { generation, engines });
    }

    fn up(&self) -> Up {
        self.up.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_up(&self, up: Up) {
        *self.up.lock().unwrap_or_else(PoisonError::into_inner) = up;
        self.changed.notify_waiters();
    }

    async fn until(&self, condition: impl Fn(&Up) -> bool) -> Up {
        loop {
            // On one thread nothing changes between the look and the wait.
            let up = self.up();
            if condition(&up) {
                return up;
            }
            self.changed.notified().await;
        }
    }

    /// Waits until the process is up.
    pub(crate) async fn engines(&self) -> Up {
        self.until(|up| !up.engines.is_empty()).await
    }

    /// Performs `work` inside the process; `None` if that is killed first.
    pub(crate) async fn inside<T>(self: &Arc<Self>, generation: u64, work: impl Future<Output = T>) -> Option<T> {
        let work = pin!(work);
        let counted = Counted {
            world: Arc::clone(self),
            generation,
            work,
        };
        tokio::select! {
            biased;
            _ = self.until(|up| up.generation != generation) => None,
            done = counted => done,
        }
    }
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

/// Work inside the process, which is killed at a certain poll: between any two of its effects.
struct Counted<'a, F> {
    world: Arc<World>,
    generation: u64,
    work: Pin<&'a mut F>,
}

impl<F: Future> Future for Counted<'_, F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polls = self.world.polls.fetch_add(1, Ordering::Relaxed) + 1;
        if polls == self.world.crash_at.load(Ordering::Relaxed) {
            self.world.crash();
        }
        if self.world.up().generation != self.generation {
            return Poll::Ready(None);
        }
        self.work.as_mut().poll(cx).map(Some)
    }
}

/// Starts the process again after it was killed; kills it when its ledger stopped.
async fn restarts(world: Arc<World>) {
    loop {
        let down = world.until(|up| up.engines.is_empty());
        if tokio::time::timeout(Duration::from_millis(300), down).await.is_ok() {
            tokio::time::sleep(world.dice.time(10..400)).await;
            world.start().await;
        } else if world.ledger().is_lost() {
            world.crash();
        }
    }
}

/// The ledger is down, now and then.
async fn outages(world: Arc<World>) {
    if !world.scenario.outages {
        return;
    }
    loop {
        tokio::time::sleep(world.dice.time(50..600)).await;
        let memory = world.ledger().memory;
        memory.down("its disk is gone");
        world.trace.note(Event::LedgerDown);
        tokio::time::sleep(world.dice.time(20..400)).await;
        memory.up();
        world.trace.note(Event::LedgerUp);
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
