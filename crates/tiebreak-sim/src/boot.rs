//! How processes start: over a ledger of their own, or over the one of a fleet.

use std::sync::Arc;
use std::time::Duration;

use tiebreak_client::caller::Callers;
use tiebreak_client::clock::Clock;
use tiebreak_client::{Engine, EngineOptions};
use tiebreak_core::judge::Judge;
use tiebreak_core::time::Time;
use tiebreak_ledger::Ledger;
use tiebreak_ledger::shared::{Options, SharedLedger};

use crate::fleet::SimDatabase;
use crate::host::Up;
use crate::scenario::Fleet;
use crate::world::{Store, World};

impl World {
    /// The process on `host` starts, or starts again.
    pub(crate) async fn start(self: &Arc<Self>, host: usize) {
        let generation = self.hosts[host].up().generation;
        let engines = match &self.store {
            Store::Own(_) => Some(self.alone(generation).await),
            Store::Shared(database, fleet) => self.among_others(host, generation, database, fleet).await,
        };
        // Without engines it was killed on the way.
        if let Some(engines) = engines {
            self.hosts[host].strike_after(|| match &self.scenario.fleet {
                None => self.dice.number(5..150),
                Some(_) => self.dice.number(20..900),
            });
            self.set_up(host, Up { generation, engines });
        }
    }

    fn engine(&self, host: usize, generation: u64, gateway: u64, clock: Clock, ledger: Arc<dyn Ledger>) -> Engine {
        let options = EngineOptions {
            policy: Arc::new(self.scenario.policy()),
            callers: Arc::new(Callers::new(&[7; 32])),
            seed: Some(self.seed ^ (generation << 32) ^ (gateway << 48)),
            ..EngineOptions::default()
        };
        Engine::new(
            options,
            clock,
            ledger,
            Arc::new(self.wire.from(host)),
            Arc::new(Judge::standard()),
        )
    }

    /// All gateways of one process, over the ledger in memory.
    async fn alone(&self, generation: u64) -> Vec<Arc<Engine>> {
        let mut engines = Vec::new();
        for gateway in 0..self.scenario.gateways as u64 {
            let engine = self.engine(0, generation, gateway, self.clock, Arc::new(self.ledger()));
            engine.recover().await.expect("the ledger was just opened");
            if generation > 0 {
                // An earlier process may have served reads and claimed nothing; then the ledger does not know.
                engine.reads().forgot(self.clock.now());
            }
            engines.push(Arc::new(engine));
        }
        engines
    }

    /// One gateway of several, over the database; `None` if it is killed on the way.
    async fn among_others(
        self: &Arc<Self>,
        host: usize,
        generation: u64,
        database: &SimDatabase,
        fleet: &Fleet,
    ) -> Option<Vec<Arc<Engine>>> {
        let options = Options {
            lease: fleet.lease,
            margin: fleet.lease / 10,
            late_after: self.scenario.late_after(),
            wait: Duration::from_secs(1),
            wait_to_record: fleet.lease,
            name: format!("gateway {host}"),
            ..Options::default()
        };
        loop {
            let way = database.from(host, self.wrong(host));
            let signing_in = SharedLedger::sign_in(way, options.clone());
            if let Ok((ledger, work)) = self.inside(host, generation, signing_in).await? {
                let world = Arc::clone(self);
                tokio::spawn(async move { world.inside(host, generation, work).await });
                // What it is wrong by stands for what it was wrong when it was read, and how it ran since.
                let skewed = ledger.began().0 + self.dice.number(0..500);
                let clock = Clock::starting_at(Time(skewed.saturating_sub(250)));
                let engine = self.engine(host, generation, host as u64, clock, Arc::new(ledger));
                if self.inside(host, generation, engine.recover()).await?.is_ok() {
                    return Some(vec![Arc::new(engine)]);
                }
            }
            tokio::time::sleep(self.dice.time(50..300)).await;
        }
    }

    /// By how much the clock of this machine is wrong, in milliseconds. Nobody asks it.
    fn wrong(&self, host: usize) -> i64 {
        [0, 9_000, -9_000, 3_600_000].get(host).copied().unwrap_or(0)
    }
}
