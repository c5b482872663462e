//! What is simulated: a table of worlds.

use std::time::Duration;

use tiebreak_core::policy::{OnDuplicate, Policy, Unguarded};

use crate::fleet::link::Storms;
use crate::ledger::Faults;
use crate::origin::{Habits, Tags, Thanks};
use crate::sabotage::Sabotage;

/// What goes wrong on the wire, each in a hundred requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Weather {
    /// The connection is refused.
    pub refused: u64,
    /// The connection ends and the request never arrives.
    pub lost_before: u64,
    /// The request is performed and the connection ends.
    pub lost_after: u64,
    /// The connection ends and the request arrives up to `late` afterwards.
    pub late: u64,
    /// Nobody answers in time; the request arrives before or up to `late` after its sender hung up.
    pub hangs: u64,
    /// Garbage comes back, before or after it was performed.
    pub garbage: u64,
    /// The request is performed and answered with 503 or 500.
    pub error_after: u64,
    /// One of 409, 412, 423, 428, 429, 500, 503, 401 is answered and nothing is performed.
    pub storm: u64,
    /// A read is answered with an older version.
    pub lag: u64,
}

/// What the writers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Read a shared document, edit one member, PUT the whole.
    Edit,
    /// The same with the version in `If-Match`, to be honoured literally.
    EditNamed,
    /// The same with `Prefer: tiebreak=rebase`.
    EditRebase,
    /// Read a shared document, PATCH one member.
    Patch,
    /// POST something new.
    Create,
    /// PUT something new under `If-None-Match: *`, then DELETE it.
    Live,
    /// A bulk job's record: PUT after a look, adopt what is equal.
    Job,
}

/// Several gateways over one database.
#[derive(Debug, Clone, Copy)]
pub struct Fleet {
    /// For so long a gateway counts as alive.
    pub lease: Duration,
    /// What goes wrong between gateways and database.
    pub storms: Storms,
    /// Whether gateways are cut off from the database, now and then.
    pub cuts: bool,
    /// How many of a hundred accidents stop a gateway for a while instead of killing it.
    pub stops: u64,
    /// How many of a hundred requests go to another gateway than the caller's usual one.
    pub strays: u64,
}

/// A world.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Its name, for the command line.
    pub name: &'static str,
    /// The origin.
    pub habits: Habits,
    /// The wire.
    pub weather: Weather,
    /// What the writers do, each kind as often as it stands here.
    pub work: &'static [Work],
    /// How many writers.
    pub writers: usize,
    /// How many writes each.
    pub writes: usize,
    /// How many callers they are: writer `n` has the credential of caller `n % callers`.
    pub callers: usize,
    /// Whether the writers draw their connections from one pool.
    pub pooled: bool,
    /// Gateways over one ledger.
    pub gateways: usize,
    /// Several gateways, each a process of its own, over one database, instead of one process with a ledger of its own.
    pub fleet: Option<Fleet>,
    /// Whether somebody writes around Tiebreak.
    pub bypass: bool,
    /// How often each process is killed (or stopped).
    pub crashes: u64,
    /// How often a door drops a write in the middle, in a hundred.
    pub cancels: u64,
    /// How often somebody else tries the key of a write, with the same content, in a hundred.
    pub strangers: u64,
    /// How the ledger fails.
    pub faults: Faults,
    /// Whether the ledger is down for a while, now and then.
    pub outages: bool,
    /// Whether claims are made ahead of the turn.
    pub claim_ahead: bool,
    /// A mistake built in.
    pub sabotage: Sabotage,
}

/// Requests arrive at most so long after their sender hung up.
pub const LATE: Duration = Duration::from_secs(5);

impl Scenario {
    /// The route's policy.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy {
            honours_keys: self.habits.honours_keys,
            // What was read through an engine that is gone is no base any more: such writes are refused.
            unguarded: Unguarded::Refuse,
            claim_ahead: self.claim_ahead,
            attempts: 6,
            patience: Duration::from_secs(20),
            attempt_timeout: Duration::from_millis(400),
            backoff: (Duration::from_millis(20), Duration::from_millis(500)),
            late_after: self.late_after(),
            on_duplicate: OnDuplicate::Stop,
            ..Policy::default()
        }
    }

    /// What the gateways reckon with. Where their clocks differ, that has to be in it.
    #[must_use]
    pub fn late_after(&self) -> Duration {
        match self.fleet {
            None => LATE,
            Some(_) => LATE + Duration::from_secs(1),
        }
    }

    /// Whether what one writer does may be judged although somebody writes around Tiebreak: only versions hold then.
    #[must_use]
    pub fn versions_hold(&self) -> bool {
        self.habits.tags == Tags::Version
    }
}

const CALM: Weather = Weather {
    refused: 0,
    lost_before: 0,
    lost_after: 0,
    late: 0,
    hangs: 0,
    garbage: 0,
    error_after: 0,
    storm: 0,
    lag: 0,
};

const ROUGH: Weather = Weather {
    refused: 4,
    lost_before: 4,
    lost_after: 5,
    late: 4,
    hangs: 4,
    garbage: 2,
    error_after: 4,
    storm: 8,
    lag: 0,
};

const PLAIN: Habits = Habits {
    tags: Tags::Version,
    thanks: Thanks::Representation,
    honours_keys: false,
    normalises: false,
    private: false,
};

const BASE: Scenario = Scenario {
    name: "calm",
    habits: PLAIN,
    weather: CALM,
    work: &[Work::Edit, Work::Patch, Work::EditNamed, Work::EditRebase],
    writers: 5,
    writes: 4,
    callers: 1,
    pooled: false,
    gateways: 1,
    fleet: None,
    bypass: false,
    crashes: 0,
    cancels: 0,
    strangers: 0,
    faults: Faults { fails: 0, loses: 0 },
    outages: false,
    claim_ahead: true,
    sabotage: Sabotage::None,
};

const FLEET: Fleet = Fleet {
    lease: Duration::from_secs(2),
    storms: Storms {
        lost_before: 6,
        lost_after: 10,
        late: 4,
        slow: 4,
        refused: 10,
        failed: 3,
    },
    cuts: true,
    stops: 60,
    strays: 20,
};

const MANY: Scenario = Scenario {
    name: "fleet",
    weather: ROUGH,
    fleet: Some(FLEET),
    writers: 6,
    writes: 4,
    crashes: 4,
    outages: true,
    ..BASE
};

/// Every scenario with a shared ledger.
#[must_use]
pub fn shared() -> Vec<Scenario> {
    vec![
        MANY,
        // Nothing goes wrong, but callers read through one gateway and write through another.
        Scenario {
            name: "fleet-calm",
            weather: CALM,
            fleet: Some(Fleet {
                storms: Storms::default(),
                cuts: false,
                strays: 50,
                ..FLEET
            }),
            crashes: 0,
            outages: false,
            ..MANY
        },
        Scenario {
            name: "fleet-tagless",
            habits: Habits {
                tags: Tags::None,
                thanks: Thanks::Bare,
                ..PLAIN
            },
            work: &[Work::Edit, Work::Patch, Work::Job],
            ..MANY
        },
        Scenario {
            name: "fleet-creations",
            work: &[Work::Create, Work::Live, Work::Live, Work::Job, Work::Job],
            ..MANY
        },
        Scenario {
            name: "fleet-keys",
            habits: Habits {
                honours_keys: true,
                ..PLAIN
            },
            work: &[Work::Edit, Work::Create, Work::EditRebase, Work::Job],
            ..MANY
        },
        Scenario {
            name: "fleet-strangers",
            habits: Habits { private: true, ..PLAIN },
            work: &[Work::Edit, Work::Create, Work::Patch],
            callers: 3,
            strangers: 40,
            ..MANY
        },
    ]
}

/// Every scenario.
#[must_use]
pub fn all() -> Vec<Scenario> {
    let mut all = alone();
    all.extend(shared());
    all
}

/// Every scenario of one process.
fn alone() -> Vec<Scenario> {
    vec![
        BASE,
        Scenario {
            name: "rough",
            weather: ROUGH,
            ..BASE
        },
        Scenario {
            name: "pooled",
            weather: ROUGH,
            pooled: true,
            ..BASE
        },
        Scenario {
            name: "lagging",
            weather: Weather { lag: 20, ..ROUGH },
            habits: Habits {
                thanks: Thanks::Tag,
                ..PLAIN
            },
            ..BASE
        },
        Scenario {
            name: "around",
            weather: ROUGH,
            bypass: true,
            ..BASE
        },
        Scenario {
            name: "digest",
            weather: ROUGH,
            habits: Habits {
                tags: Tags::Digest,
                ..PLAIN
            },
            ..BASE
        },
        Scenario {
            name: "weak",
            weather: ROUGH,
            habits: Habits {
                tags: Tags::Weak,
                normalises: true,
                ..PLAIN
            },
            work: &[Work::Edit, Work::Patch],
            ..BASE
        },
        Scenario {
            name: "tagless",
            weather: ROUGH,
            habits: Habits {
                tags: Tags::None,
                thanks: Thanks::Bare,
                ..PLAIN
            },
            work: &[Work::Edit, Work::Patch],
            ..BASE
        },
        Scenario {
            name: "creations",
            weather: ROUGH,
            work: &[Work::Create, Work::Live, Work::Live, Work::Job, Work::Job],
            ..BASE
        },
        Scenario {
            name: "keys",
            weather: ROUGH,
            habits: Habits {
                honours_keys: true,
                tags: Tags::None,
                ..PLAIN
            },
            work: &[Work::Create, Work::Edit, Work::Job],
            ..BASE
        },
        Scenario {
            name: "private",
            weather: ROUGH,
            habits: Habits { private: true, ..PLAIN },
            callers: 3,
            ..BASE
        },
        Scenario {
            name: "strangers",
            weather: ROUGH,
            habits: Habits { private: true, ..PLAIN },
            work: &[Work::Edit, Work::Create, Work::Patch],
            callers: 3,
            strangers: 60,
            crashes: 1,
            ..BASE
        },
        Scenario {
            name: "cancelled",
            weather: ROUGH,
            habits: Habits {
                tags: Tags::None,
                thanks: Thanks::Bare,
                ..PLAIN
            },
            work: &[Work::Edit, Work::Patch],
            cancels: 25,
            ..BASE
        },
        Scenario {
            name: "crashes",
            weather: ROUGH,
            work: &[
                Work::Edit,
                Work::EditNamed,
                Work::Patch,
                Work::EditRebase,
                Work::Live,
                Work::Create,
            ],
            crashes: 3,
            ..BASE
        },
        Scenario {
            name: "crashes-tagless",
            weather: ROUGH,
            habits: Habits {
                tags: Tags::None,
                thanks: Thanks::Bare,
                ..PLAIN
            },
            work: &[Work::Edit, Work::Patch, Work::Job],
            crashes: 3,
            ..BASE
        },
        Scenario {
            name: "crashes-keys",
            weather: ROUGH,
            habits: Habits {
                honours_keys: true,
                ..PLAIN
            },
            work: &[Work::Edit, Work::Create, Work::EditRebase],
            crashes: 3,
            ..BASE
        },
        Scenario {
            name: "ledger-faults",
            weather: ROUGH,
            faults: Faults { fails: 6, loses: 6 },
            crashes: 1,
            ..BASE
        },
        Scenario {
            name: "ledger-outages",
            weather: ROUGH,
            outages: true,
            ..BASE
        },
        Scenario {
            name: "gateways",
            weather: ROUGH,
            gateways: 2,
            ..BASE
        },
    ]
}

/// The scenario with this name.
#[must_use]
pub fn named(name: &str) -> Option<Scenario> {
    all().into_iter().find(|s| s.name == name)
}
